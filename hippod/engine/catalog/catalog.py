"""What exists now, by name and by number.

A change is computed as documents by the functions of this package (one file a noun), logged by the writer, and only then applied here
and to the store; at start the same documents are applied again. The object belongs to the event loop; the writer thread may read it,
because nothing changes between two publishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hippod.engine.catalog.documents import (
    ALIAS,
    COUNTER,
    DATABASE,
    GRANT,
    TABLE,
    TEMPLATE,
    USER,
    Alias,
    Grant,
    TableDefinition,
    Template,
    User,
    decode_document,
    table_number,
)
from hippod.errors import DamagedData, DatabaseNotFound, Rejected, TableNotFound, TemplateNotFound, UserNotFound, WrongState


class Catalog:
    """All definitions. `apply` is the only way in. `tables` has those by name that are not in the trash, `by_number` has all."""

    def __init__(self) -> None:
        self.databases: set[str] = set()
        self.tables: dict[tuple[str, str], TableDefinition] = {}
        self.by_number: dict[int, TableDefinition] = {}
        self.aliases: dict[tuple[str, str], Alias] = {}
        self.users: dict[str, User] = {}
        self.templates: dict[str, Template] = {}
        self.grants: dict[tuple[str, str, int | None], Grant] = {}
        self.next_table = 1
        self.running_s = 0

    def apply(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Put and delete documents. Raises DamagedData for one that this version cannot have written."""
        for key, value in changes:
            kind, name = key[:2], key[2:].decode()
            if kind == TABLE:
                self._apply_table(key, value)
            elif kind == ALIAS:
                self._apply_alias(key, value)
            elif kind == DATABASE:
                self.databases.add(name) if value is not None else self.databases.discard(name)
            elif kind == USER:
                if value is None:
                    self.users.pop(name, None)
                else:
                    self.users[name] = decode_document(key, value, User)
            elif kind == GRANT:
                self._apply_grant(key, value)
            elif kind == TEMPLATE:
                if value is None:
                    self.templates.pop(name, None)
                else:
                    self.templates[name] = decode_document(key, value, Template)
            elif kind == COUNTER and value is not None:
                self._apply_counter(key, decode_document(key, value, int))
            else:
                raise _unknown(key)

    def _apply_table(self, key: bytes, value: bytes | None) -> None:
        before = self.by_number.pop(table_number(key), None)
        if before is not None and before.dropped is None:
            del self.tables[before.database, before.name]
        if value is not None:
            table = decode_document(key, value, TableDefinition)
            self.by_number[table.number] = table
            if table.dropped is None:
                self.tables[table.database, table.name] = table

    def _apply_alias(self, key: bytes, value: bytes | None) -> None:
        database, _, name = key.removeprefix(ALIAS).decode().partition("/")
        if value is None:
            self.aliases.pop((database, name), None)
        else:
            self.aliases[database, name] = decode_document(key, value, Alias)

    def _apply_grant(self, key: bytes, value: bytes | None) -> None:
        user, database, number = key.removeprefix(GRANT).decode().split("/")
        where = user, database, int(number, base=16) if number else None
        if value is None:
            self.grants.pop(where, None)
        else:
            self.grants[where] = decode_document(key, value, Grant)

    def _apply_counter(self, key: bytes, value: int) -> None:
        if key == COUNTER + b"table":
            self.next_table = max(self.next_table, value)
        elif key == COUNTER + b"running_s":
            self.running_s = max(self.running_s, value)
        else:
            raise _unknown(key)

    def load(self, documents: Mapping[bytes, bytes]) -> None:
        self.apply(documents.items())

    def require_database(self, name: str) -> None:
        if name not in self.databases:
            raise DatabaseNotFound(f"no database {name[:128]!r}", database=name[:128])

    def table(self, database: str, name: str) -> TableDefinition:
        """The table of that very name, not in the trash; or DatabaseNotFound or TableNotFound; Rejected for an alias."""
        table = self.tables.get((database, name))
        if table is None:
            self.require_database(database)
            if (database, name) in self.aliases:
                raise Rejected(f"{name!r} is an alias: this operation takes the name of a table", table=name)
            raise _no_table(database, name)
        return table

    def resolve(self, database: str, name: str, *, for_write: bool = False) -> TableDefinition:
        """The table that a table's name or an alias means. Raises DatabaseNotFound, TableNotFound, or WrongState where an alias has
        several tables and none that takes writes."""
        table = self.tables.get((database, name))
        if table is not None:
            return table
        alias = self.aliases.get((database, name))
        if alias is None:
            self.require_database(database)
            raise _no_table(database, name)
        if not for_write or len(alias.tables) == 1:
            return self.by_number[alias.tables[0]]
        if alias.write_table is None:
            raise WrongState(f"alias {name!r} has {len(alias.tables)} tables and none of them is its write table", alias=name)
        return self.by_number[alias.write_table]

    def user(self, name: str) -> User:
        """Raises UserNotFound."""
        user = self.users.get(name)
        if user is None:
            raise UserNotFound(f"no user {name[:128]!r}", user=name[:128])
        return user

    def template(self, name: str) -> Template:
        """Raises TemplateNotFound."""
        template = self.templates.get(name)
        if template is None:
            raise TemplateNotFound(f"no template {name[:128]!r}", template=name[:128])
        return template

    def tables_of(self, database: str) -> Iterator[TableDefinition]:
        """The tables of a database by name, without those in the trash."""
        self.require_database(database)
        return (t for _, t in sorted(self.tables.items()) if t.database == database)

    def aliases_of(self, table: TableDefinition) -> list[Alias]:
        """The aliases that lead to a table, by name."""
        found = [a for a in self.aliases.values() if table.number in a.tables]
        return sorted(found, key=lambda alias: alias.name)

    def trash(self) -> Iterator[TableDefinition]:
        """The tables in the trash of all databases."""
        return (t for t in self.by_number.values() if t.dropped is not None)


def _no_table(database: str, name: str) -> TableNotFound:
    return TableNotFound(
        f"table {name[:128]} not exist in database {database}, get table id from database failed", table=name[:128], database=database
    )


def _unknown(key: bytes) -> DamagedData:
    return DamagedData(f"catalog document {key!r} is of a kind that this version does not know: use the version that wrote it")
