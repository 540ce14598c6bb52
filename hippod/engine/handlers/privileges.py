"""Operations on privileges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.access import Principal
from hippod.engine.catalog import Changes, TableDefinition, privileges
from hippod.engine.catalog.documents import Grant
from hippod.engine.operations import (
    Done,
    GetTablePrivileges,
    GetUserPrivileges,
    GrantInfo,
    GrantPrivileges,
    PrivilegeList,
    PrivilegesInfo,
    RevokePrivileges,
)

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def grant_privileges(engine: Engine, operation: GrantPrivileges, principal: Principal, deadline: float | None) -> Done:
    def compute() -> Changes:
        table = _table(engine, operation)
        return privileges.grant(engine.catalog, operation.user, operation.database, table, operation.privileges, principal.name)

    await engine.change_catalog(compute, deadline)
    return Done()


async def revoke_privileges(engine: Engine, operation: RevokePrivileges, deadline: float | None) -> Done:
    def compute() -> Changes:
        return privileges.revoke(engine.catalog, operation.user, operation.database, _table(engine, operation), operation.privileges)

    await engine.change_catalog(compute, deadline)
    return Done()


def get_user_privileges(engine: Engine, operation: GetUserPrivileges, _deadline: float | None) -> PrivilegeList:
    catalog = engine.catalog
    name = catalog.user(operation.user).name
    granted = [grant for grant in catalog.grants.values() if grant.user == name]
    databases = [_info(grant.database, None, [grant]) for grant in granted if grant.table is None]
    by_table = {grant.table: grant for grant in granted}
    tables = [
        _info(table.database, table, [by_table[table.number]] if table.number in by_table else [])
        for table in catalog.tables.values()
        if table.number in by_table or table.owner == name
    ]
    return PrivilegeList(sorted((*databases, *tables), key=lambda info: (info.database, info.table or "")))


def get_table_privileges(engine: Engine, operation: GetTablePrivileges, _deadline: float | None) -> PrivilegeList:
    table = engine.catalog.resolve(operation.database, operation.table)
    return PrivilegeList([_info(table.database, table, privileges.grants_on(engine.catalog, table.database, table))])


def _table(engine: Engine, operation: GrantPrivileges | RevokePrivileges) -> TableDefinition | None:
    return None if operation.table is None else engine.catalog.table(operation.database, operation.table)


def _info(database: str, table: TableDefinition | None, grants: list[Grant]) -> PrivilegesInfo:
    return PrivilegesInfo(
        database=database,
        table=None if table is None else table.name,
        id=None if table is None else table.id,
        owner=None if table is None else table.owner,
        grants=[GrantInfo(grant.user, grant.grantor, list(grant.privileges)) for grant in grants],
    )
