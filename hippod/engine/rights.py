"""What each operation takes of a user who is no superuser: the one table (`RULES`) that `access.check_access` asks.

Whoever owns a table, or has ALL on it or on its database, may do everything with it. What exists, and how it is defined, may be read by
everybody who can log in; rows only with ACCESS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from hippod.engine import operations as ops
from hippod.engine.catalog import Catalog, TableDefinition, User
from hippod.engine.catalog.tables import find_in_trash
from hippod.engine.jobs import Jobs
from hippod.engine.operations import Privilege
from hippod.engine.patterns import check_patterns, name_matcher
from hippod.errors import NotFound


@dataclass(frozen=True, slots=True)
class Rights:
    """What one user may do, as the catalog says now."""

    catalog: Catalog
    jobs: Jobs
    user: User

    def on_database(self, database: str, wanted: Privilege) -> bool:
        return self._is_granted(database, None, wanted)

    def on_table(self, database: str, name: str, wanted: Privilege) -> bool:
        """On the table of a name, or all tables of an alias. What does not exist takes the privilege on the database."""
        table = self.catalog.tables.get((database, name))
        alias = self.catalog.aliases.get((database, name))
        if table is not None:
            return self.on_each([table], wanted)
        if alias is not None:
            return self.on_each((self.catalog.by_number[number] for number in alias.tables), wanted)
        return self.on_database(database, wanted)

    def on_matching(self, database: str, pattern: str, wanted: Privilege) -> bool:
        """On every table that a pattern means; only whole names may be aliases."""
        parts = check_patterns(pattern)
        if self.on_database(database, wanted):
            return True
        means = name_matcher(parts)
        names = {name for where, name in self.catalog.tables if where == database and means(name)}
        return all(self.on_table(database, name, wanted) for name in names.union(part for part in parts if "*" not in part))

    def on_trashed(self, database: str, name: str, wanted: Privilege) -> bool:
        """On every table in the trash that has this id or name."""
        try:
            return self.on_each(find_in_trash(self.catalog, database, name), wanted)
        except NotFound:
            return self.on_database(database, wanted)

    def on_job(self, job: str, wanted: Privilege) -> bool:
        try:
            found = self.jobs.get(job)
        except NotFound:
            return True
        return self.on_table(found.database, found.table, wanted)

    def on_each(self, tables: Iterable[TableDefinition], wanted: Privilege) -> bool:
        return all(
            table.owner == self.user.name
            or self._is_granted(table.database, table.number, wanted)
            or self.on_database(table.database, wanted)
            for table in tables
        )

    def _is_granted(self, database: str, table: int | None, wanted: Privilege) -> bool:
        grant = self.catalog.grants.get((self.user.name, database, table))
        return grant is not None and (wanted in grant.privileges or Privilege.ALL in grant.privileges)


@dataclass(frozen=True, slots=True)
class Rule:
    """`needed` says for people what `allows` asks for."""

    needed: str
    allows: Callable[[Rights, Any], bool]


def _every_source(rights: Rights, operation: ops.Distance) -> bool:
    stored = [side for side in (operation.left, operation.right) if isinstance(side, ops.StoredVectors)]
    return all(rights.on_table(side.database, side.table, Privilege.ACCESS) for side in stored)


def _both_tables(rights: Rights, operation: ops.CopyByQuery) -> bool:
    from_here = operation.remote is None
    readable = not from_here or rights.on_table(operation.database, operation.table, Privilege.ACCESS)
    return readable and rights.on_table(operation.to_database, operation.to_table, Privilege.ACCESS)


def _its_target(rights: Rights, operation: ops.GrantPrivileges | ops.RevokePrivileges) -> bool:
    if operation.table is None:
        return rights.on_database(operation.database, Privilege.ALL)
    return rights.on_table(operation.database, operation.table, Privilege.ALL)


def _own_password(rights: Rights, operation: ops.AlterUser) -> bool:
    flags = (operation.is_superuser, operation.can_create_role, operation.can_create_database)
    return operation.user == rights.user.name and all(flag is None for flag in flags)


_LOGIN: Final = Rule("a login", lambda _rights, _operation: True)
_SUPERUSER: Final = Rule("a superuser", lambda _rights, _operation: False)
_SELF: Final = Rule("that user itself, or a superuser", lambda rights, op: op.user == rights.user.name)
_PASSWORD: Final = Rule("a superuser; the password alone that user itself", _own_password)
_DATABASES: Final = Rule("the flag can_create_database", lambda rights, _op: rights.user.can_create_database)
_WHOLE_DATABASE: Final = Rule("ALL on the database", lambda rights, op: rights.on_database(op.database, Privilege.ALL))
_CREATE: Final = Rule("CREATE on the database", lambda rights, op: rights.on_database(op.database, Privilege.CREATE))
_ROWS: Final = Rule("ACCESS on the table", lambda rights, op: rights.on_table(op.database, op.table, Privilege.ACCESS))
_ROWS_OF_ALL: Final = Rule("ACCESS on every table", lambda rights, op: rights.on_matching(op.database, op.pattern, Privilege.ACCESS))
_SOURCES: Final = Rule("ACCESS on the tables that the vectors are of", _every_source)
_COPY: Final = Rule("ACCESS on both tables", _both_tables)
_OWN: Final = Rule("ALL on the table", lambda rights, op: rights.on_table(op.database, op.table, Privilege.ALL))
_OWN_MATCHING: Final = Rule("ALL on every table", lambda rights, op: rights.on_matching(op.database, op.pattern, Privilege.ALL))
_OWN_TRASHED: Final = Rule("ALL on the dropped tables", lambda rights, op: rights.on_trashed(op.database, op.table, Privilege.ALL))
_OWN_JOB: Final = Rule("ALL on the table of the job", lambda rights, op: rights.on_job(op.job, Privilege.ALL))
_ALIAS: Final = Rule("ALL on every table of the alias", lambda rights, op: rights.on_table(op.database, op.alias, Privilege.ALL))
_ACTIONS: Final = Rule(
    "ALL on every table of the actions",
    lambda rights, op: all(rights.on_table(action.database, action.table, Privilege.ALL) for action in op.actions),
)
_GRANT: Final = Rule("ALL on the table, or on the database", _its_target)

RULES: Final[dict[type[ops.Operation], Rule]] = {
    ops.CreateDatabase: _DATABASES,
    ops.DropDatabase: _WHOLE_DATABASE,
    ops.ListDatabases: _LOGIN,
    ops.CreateTable: _CREATE,
    ops.RenameTable: _OWN,
    ops.DropTable: _OWN,
    ops.RestoreTable: _OWN_TRASHED,
    ops.PurgeTable: _OWN_TRASHED,
    ops.ListTrash: _LOGIN,
    ops.CloseTables: _OWN_MATCHING,
    ops.OpenTables: _OWN_MATCHING,
    ops.DescribeTable: _LOGIN,
    ops.DescribeTables: _LOGIN,
    ops.GetSchema: _LOGIN,
    ops.ListTables: _LOGIN,
    ops.AddFields: _OWN,
    ops.DropFields: _OWN,
    ops.RenameFields: _OWN,
    ops.ChangeSettings: _OWN,
    ops.GetSettings: _LOGIN,
    ops.AddPartitions: _OWN,
    ops.DropPartitions: _OWN,
    ops.ChangeAliases: _ACTIONS,
    ops.DropAlias: _ALIAS,
    ops.ListAliases: _LOGIN,
    ops.Insert: _ROWS,
    ops.Update: _ROWS,
    ops.Upsert: _ROWS,
    ops.Delete: _ROWS,
    ops.DeleteByQuery: _ROWS,
    ops.DeleteMatching: _ROWS,
    ops.Get: _ROWS,
    ops.CopyByQuery: _COPY,
    ops.Query: _ROWS,
    ops.Count: _ROWS,
    ops.Search: _ROWS,
    ops.SearchPage: _ROWS,
    ops.HybridSearch: _ROWS,
    ops.MultiSearch: _ROWS_OF_ALL,
    ops.Distance: _SOURCES,
    ops.CreateIndex: _OWN,
    ops.ActivateIndex: _OWN,
    ops.RebuildIndex: _OWN,
    ops.CompactIndex: _OWN,
    ops.SetAutoCompaction: _OWN,
    ops.LoadIndex: _OWN,
    ops.ReleaseIndex: _OWN,
    ops.DropIndex: _OWN,
    ops.ListIndexes: _LOGIN,
    ops.CreateScalarIndex: _OWN,
    ops.DropScalarIndex: _OWN,
    ops.ListScalarIndexes: _LOGIN,
    ops.DescribeRecall: _LOGIN,
    ops.GetJob: _LOGIN,
    ops.ListJobs: _LOGIN,
    ops.CancelJob: _OWN_JOB,
    ops.AnalyzeTable: _ROWS,
    ops.GetStatistics: _ROWS,
    ops.WarmUpTable: _ROWS,
    ops.CompactTable: _OWN,
    ops.DropCaches: _SUPERUSER,
    ops.PutTemplate: _SUPERUSER,
    ops.DropTemplate: _SUPERUSER,
    ops.ListTemplates: _LOGIN,
    ops.CreateUser: _SUPERUSER,
    ops.AlterUser: _PASSWORD,
    ops.DropUser: _SUPERUSER,
    ops.DescribeUser: _SELF,
    ops.ListUsers: _SUPERUSER,
    ops.GrantPrivileges: _GRANT,
    ops.RevokePrivileges: _GRANT,
    ops.GetUserPrivileges: _SELF,
    ops.GetTablePrivileges: _OWN,
    ops.GetStatus: _LOGIN,
}
