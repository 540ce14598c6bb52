"""What exists now, by name and by number.

A change is computed as documents by the functions of this package (one file a noun), logged by the writer, and only then applied here
and to the store; at start the same documents are applied again. The object belongs to the event loop; the writer thread may read it,
because nothing changes between two publishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hippod.engine.catalog.documents import COUNTER, DATABASE, TABLE, USER, TableDefinition, User, decode_document, table_number
from hippod.errors import DamagedData, DatabaseNotFound, TableNotFound


class Catalog:
    """All definitions. `apply` is the only way in."""

    def __init__(self) -> None:
        self.databases: set[str] = set()
        self.tables: dict[tuple[str, str], TableDefinition] = {}
        self.by_number: dict[int, TableDefinition] = {}
        self.users: dict[str, User] = {}
        self.next_table = 1

    def apply(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Put and delete documents. Raises DamagedData for one that this version cannot have written."""
        for key, value in changes:
            kind, name = key[:2], key[2:].decode()
            if kind == TABLE:
                self._apply_table(key, value)
            elif kind == DATABASE:
                self.databases.add(name) if value is not None else self.databases.discard(name)
            elif kind == USER:
                if value is None:
                    self.users.pop(name, None)
                else:
                    self.users[name] = decode_document(key, value, User)
            elif key == COUNTER + b"table" and value is not None:
                self.next_table = max(self.next_table, decode_document(key, value, int))
            else:
                raise DamagedData(f"catalog document {key!r} is of a kind that this version does not know: use the version that wrote it")

    def _apply_table(self, key: bytes, value: bytes | None) -> None:
        before = self.by_number.pop(table_number(key), None)
        if before is not None:
            del self.tables[before.database, before.name]
        if value is not None:
            table = decode_document(key, value, TableDefinition)
            self.by_number[table.number] = self.tables[table.database, table.name] = table

    def load(self, documents: Mapping[bytes, bytes]) -> None:
        self.apply(documents.items())

    def require_database(self, name: str) -> None:
        if name not in self.databases:
            raise DatabaseNotFound(f"no database {name[:128]!r}", database=name[:128])

    def table(self, database: str, name: str) -> TableDefinition:
        """The table, or DatabaseNotFound or TableNotFound."""
        table = self.tables.get((database, name))
        if table is None:
            self.require_database(database)
            raise TableNotFound(
                f"table {name[:128]} not exist in database {database}, get table id from database failed",
                table=name[:128],
                database=database,
            )
        return table

    def tables_of(self, database: str) -> Iterator[TableDefinition]:
        self.require_database(database)
        return (t for _, t in sorted(self.tables.items()) if t.database == database)
