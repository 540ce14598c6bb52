"""Which databases, tables, indexes and users exist. The catalog is a set of small documents, each put or deleted whole.

    c/<counter name>          next table number
    d/<database>              a database
    t/<table number, 8 hex>   a TableDefinition with its indexes
    u/<user>                  a User

A change is computed here as documents (an effect), logged by the writer, and only then applied here and to the store. The object
belongs to the event loop; the writer thread may read it, because nothing changes between two publishes.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from hippod.engine.operations import DEFAULT_DATABASE, IndexType, Metric
from hippod.engine.schema import Schema, check_name, check_schema
from hippod.errors import AlreadyExists, DatabaseNotFound, IndexNotFound, LimitExceeded, Rejected, TableNotFound

DATABASES_MAX: Final = 1_024
TABLES_MAX: Final = 10_000
INDEXES_MAX: Final = 64

Changes = tuple[tuple[bytes, bytes | None], ...]


class IndexDefinition(msgspec.Struct, frozen=True):
    """`active`: built and kept up to date by writes; `released`: active, but not in memory until it is loaded."""

    name: str
    field: int
    type: IndexType
    metric: Metric
    params: dict[str, Any]
    number: int
    active: bool = False
    released: bool = False


class TableDefinition(msgspec.Struct, frozen=True):
    """`number` names the table on disk and never comes back; `id` is its public identity (32 hex digits)."""

    number: int
    id: str
    database: str
    name: str
    schema: Schema
    tablets: int
    created: float
    indexes: tuple[IndexDefinition, ...] = ()
    next_index_number: int = 1

    def index(self, name: str) -> IndexDefinition:
        for index in self.indexes:
            if index.name == name:
                return index
        raise IndexNotFound(f"no index {name[:128]!r} on table {self.name!r}", index=name[:128])

    def with_index(self, index: IndexDefinition) -> TableDefinition:
        """This table with `index` in the place of the one of the same name."""
        return msgspec.structs.replace(self, indexes=tuple(index if i.name == index.name else i for i in self.indexes))


class User(msgspec.Struct, frozen=True):
    """`password_hash` is an Argon2id string; `is_default` marks the superuser with the well-known password."""

    name: str
    password_hash: str
    is_superuser: bool
    is_default: bool


def table_key(number: int) -> bytes:
    return b"t/%08x" % number


def table_number(key: bytes) -> int:
    """The inverse of `table_key`."""
    return int(key.removeprefix(b"t/"), base=16)


class Catalog:
    """All definitions, by name. `apply` is the only way in."""

    def __init__(self) -> None:
        self.databases: set[str] = set()
        self.tables: dict[tuple[str, str], TableDefinition] = {}
        self.by_number: dict[int, TableDefinition] = {}
        self.users: dict[str, User] = {}
        self._next_table = 1

    def apply(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        for key, value in changes:
            kind, name = key[:2], key[2:].decode()
            if kind == b"c/" and value is not None:
                self._next_table = max(self._next_table, msgspec.msgpack.decode(value, type=int))
            elif kind == b"d/":
                self.databases.add(name) if value is not None else self.databases.discard(name)
            elif kind == b"u/" and value is not None:
                self.users[name] = msgspec.msgpack.decode(value, type=User)
            elif kind == b"t/":
                self._apply_table(int(name, 16), value)

    def _apply_table(self, number: int, value: bytes | None) -> None:
        before = self.by_number.pop(number, None)
        if before is not None:
            del self.tables[before.database, before.name]
        if value is not None:
            table = msgspec.msgpack.decode(value, type=TableDefinition)
            self.by_number[number] = self.tables[table.database, table.name] = table

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

    # The rest computes changes; each raises Rejected or a descendant, and changes nothing.

    def create_database(self, name: str) -> Changes:
        check_name("database", name)
        if name in self.databases:
            raise AlreadyExists(f"database {name!r} exists already", database=name)
        if len(self.databases) >= DATABASES_MAX:
            raise LimitExceeded(f"there are {DATABASES_MAX} databases already, the most allowed", limit=DATABASES_MAX)
        return ((b"d/" + name.encode(), b""),)

    def drop_database(self, name: str) -> Changes:
        self.require_database(name)
        if name == DEFAULT_DATABASE:
            raise Rejected("the default database cannot be dropped", database=name)
        tables = [t.name for t in self.tables_of(name)]
        if tables:
            raise Rejected(f"database {name!r} still has {len(tables)} tables, such as {tables[0]!r}: drop them first", database=name)
        return ((b"d/" + name.encode(), None),)

    def create_table(self, database: str, name: str, schema: Schema, tablets: int) -> Changes:
        self.require_database(database)
        check_name("table", name)
        if (database, name) in self.tables:
            raise AlreadyExists(f"table {name!r} exists already in database {database!r}", table=name)
        if len(self.tables) >= TABLES_MAX:
            raise LimitExceeded(f"there are {TABLES_MAX} tables already, the most allowed", limit=TABLES_MAX)
        table = TableDefinition(
            number=self._next_table,
            id=uuid.uuid4().hex,
            database=database,
            name=name,
            schema=check_schema(schema),
            tablets=tablets,
            created=time.time(),
        )
        return ((b"c/table", msgspec.msgpack.encode(table.number + 1)), put_table(table))

    def create_index(self, table: TableDefinition, index: IndexDefinition) -> Changes:
        check_name("index", index.name)
        if any(i.name == index.name for i in table.indexes):
            raise AlreadyExists(f"index {index.name!r} exists already on table {table.name!r}", index=index.name)
        if len(table.indexes) >= INDEXES_MAX:
            raise LimitExceeded(f"table {table.name!r} has {INDEXES_MAX} indexes already, the most allowed", limit=INDEXES_MAX)
        numbered = msgspec.structs.replace(index, number=table.next_index_number)
        return (
            put_table(msgspec.structs.replace(table, indexes=(*table.indexes, numbered), next_index_number=table.next_index_number + 1)),
        )

    def drop_index(self, table: TableDefinition, name: str) -> Changes:
        dropped = table.index(name)
        return (put_table(msgspec.structs.replace(table, indexes=tuple(i for i in table.indexes if i is not dropped))),)


def put_table(table: TableDefinition) -> tuple[bytes, bytes]:
    return table_key(table.number), msgspec.msgpack.encode(table)


def delete_table(table: TableDefinition) -> tuple[bytes, None]:
    return table_key(table.number), None


def put_user(user: User) -> tuple[bytes, bytes]:
    return b"u/" + user.name.encode(), msgspec.msgpack.encode(user)
