"""The documents of the catalog: small values, each put or deleted whole, as they are logged and stored (msgpack).

    a/<database>/<alias>      Alias
    c/<counter name>          an int: `c/table` is the next table number, `c/running_s` how long the server has run (see `trash`)
    d/<database>              empty
    m/<template>              Template
    p/<user>/<database>/<table number, 8 hex, or nothing>   Grant
    t/<table number, 8 hex>   TableDefinition, with its indexes; also of tables in the trash
    u/<user>                  User

A document of a kind or with a field that this version does not know was written by a newer one: reading it is refused, because ignoring
it could bring back what it took away.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from hippod.engine.operations import IndexType, Metric, PartitionKind, Privilege
from hippod.engine.operations.settings import SettingValue
from hippod.engine.operations.templates import TemplateIndex
from hippod.engine.schema import Field, Schema
from hippod.errors import DamagedData, IndexNotFound

Changes = tuple[tuple[bytes, bytes | None], ...]

ALIAS: Final = b"a/"
COUNTER: Final = b"c/"
DATABASE: Final = b"d/"
GRANT: Final = b"p/"
TABLE: Final = b"t/"
TEMPLATE: Final = b"m/"
USER: Final = b"u/"

_D = TypeVar("_D")


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value of the catalog, or a part of one."""


class IndexDefinition(Document, frozen=True):
    """`active`: built and kept up to date by writes; `released`: active, but not in memory until it is loaded; `auto_compaction`: trains
    anew by itself when too much changed."""

    name: str
    field: int
    type: IndexType
    metric: Metric
    params: dict[str, Any]
    number: int
    active: bool = False
    released: bool = False
    auto_compaction: bool = True


class ScalarIndexDefinition(Document, frozen=True):
    """`fields` by number; each is indexed by its own values."""

    name: str
    fields: tuple[int, ...]


class PartitionDefinition(Document, frozen=True):
    """`bound` in storage form, a value a partition field (strings as text; none for HASH); `tablets` by number."""

    name: str
    table_name: str | None
    bound: tuple[Any, ...]
    tablets: tuple[int, ...]


class PartitioningDefinition(Document, frozen=True):
    """`fields` by number; `partitions` in the order in which rows look for them."""

    kind: PartitionKind
    fields: tuple[int, ...]
    partitions: tuple[PartitionDefinition, ...]

    def fields_of(self, schema: Schema) -> list[Field]:
        """The partition fields, in their order."""
        by_number = {field.number: field for field in schema.fields}
        return [by_number[number] for number in self.fields]


class Closed(Document, frozen=True):
    """A table whose rows are not in memory; it had `rows` when it was closed, and nobody can write to it since."""

    rows: int


class Dropped(Document, frozen=True):
    """A table in the trash: dropped `at` (seconds since the epoch, for people), when the server had run for `running_s` in all."""

    at: float
    running_s: int


class TableDefinition(Document, frozen=True):
    """`number` names the table on disk and never comes back; `id` is its public identity (32 hex digits) and survives renames.

    `tablets`: how many it has, in each partition if it is partitioned. `next_tablet` and `next_field_number` are the first numbers that no
    tablet of a partition, and no field, ever had. `settings` are those that were set. A table in the trash is closed as well.
    """

    number: int
    id: str
    database: str
    name: str
    schema: Schema
    tablets: int
    created: float
    next_field_number: int
    owner: str
    indexes: tuple[IndexDefinition, ...] = ()
    next_index_number: int = 1
    closed: Closed | None = None
    dropped: Dropped | None = None
    partitioning: PartitioningDefinition | None = None
    next_tablet: int = 0
    settings: dict[str, SettingValue] = {}
    scalar_indexes: tuple[ScalarIndexDefinition, ...] = ()

    @property
    def tablet_numbers(self) -> tuple[int, ...]:
        """The numbers of all tablets; those of partitions have gaps where some were dropped."""
        if self.partitioning is None:
            return tuple(range(self.tablets))
        return tuple(number for partition in self.partitioning.partitions for number in partition.tablets)

    @property
    def field_numbers(self) -> frozenset[int]:
        return frozenset(field.number for field in self.schema.fields)

    def index(self, name: str) -> IndexDefinition:
        for index in self.indexes:
            if index.name == name:
                return index
        raise IndexNotFound(f"no index {name[:128]!r} on table {self.name!r}", index=name[:128])

    def with_index(self, index: IndexDefinition) -> TableDefinition:
        """This table with `index` in the place of the one of the same name."""
        return msgspec.structs.replace(self, indexes=tuple(index if i.name == index.name else i for i in self.indexes))


class Alias(Document, frozen=True):
    """Another name for `tables` (numbers, in the order in which they were added): reads go to the first, writes to `write_table`."""

    database: str
    name: str
    tables: tuple[int, ...]
    write_table: int | None = None


class User(Document, frozen=True):
    """`password_hash` is an Argon2id string; `is_default` marks the superuser with the well-known password."""

    name: str
    password_hash: str
    is_superuser: bool
    is_default: bool
    can_create_role: bool = False
    can_create_database: bool = False

    def __repr__(self) -> str:
        return f"User({self.name!r})"


class Grant(Document, frozen=True):
    """What `user` may do with a table, by number, or with a whole database where `table` is None."""

    user: str
    database: str
    table: int | None
    grantor: str
    privileges: tuple[Privilege, ...]


class Template(Document, frozen=True):
    """What new tables get whose name matches one of `patterns`; of several the highest `order` holds."""

    name: str
    patterns: tuple[str, ...]
    order: int
    settings: dict[str, SettingValue]
    indexes: tuple[TemplateIndex, ...]


# Made here and not at the first use: documents are read in several threads, in which msgspec cannot learn a type at the same time.
_DECODERS: Final[dict[type[Any], msgspec.msgpack.Decoder[Any]]] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in (TableDefinition, Alias, User, Grant, Template, int)
}


def decode_document(key: bytes, value: bytes, kind: type[_D]) -> _D:
    """The value of a document. Raises DamagedData that names it, and nothing of its content."""
    try:
        found: _D = _DECODERS[kind].decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedData(f"catalog document {key!r} is not of this version: {error}; use the version of hippod that wrote it") from error
    return found


def table_key(number: int) -> bytes:
    return TABLE + b"%08x" % number


def table_number(key: bytes) -> int:
    """The inverse of `table_key`."""
    return int(key.removeprefix(TABLE), base=16)


def put_table(table: TableDefinition) -> tuple[bytes, bytes]:
    return table_key(table.number), msgspec.msgpack.encode(table)


def delete_table(table: TableDefinition) -> tuple[bytes, None]:
    return table_key(table.number), None


def put_alias(alias: Alias) -> tuple[bytes, bytes]:
    return alias_key(alias.database, alias.name), msgspec.msgpack.encode(alias)


def delete_alias(alias: Alias) -> tuple[bytes, None]:
    return alias_key(alias.database, alias.name), None


def alias_key(database: str, name: str) -> bytes:
    """Names have no slash, so no two aliases have one key."""
    return ALIAS + f"{database}/{name}".encode()


def put_grant(grant: Grant) -> tuple[bytes, bytes]:
    return _grant_key(grant), msgspec.msgpack.encode(grant)


def delete_grant(grant: Grant) -> tuple[bytes, None]:
    return _grant_key(grant), None


def _grant_key(grant: Grant) -> bytes:
    return GRANT + f"{grant.user}/{grant.database}/{'' if grant.table is None else f'{grant.table:08x}'}".encode()


def put_template(template: Template) -> tuple[bytes, bytes]:
    return TEMPLATE + template.name.encode(), msgspec.msgpack.encode(template)


def delete_template(template: Template) -> tuple[bytes, None]:
    return TEMPLATE + template.name.encode(), None


def put_counter(name: str, value: int) -> tuple[bytes, bytes]:
    return COUNTER + name.encode(), msgspec.msgpack.encode(value)


def put_user(user: User) -> tuple[bytes, bytes]:
    return USER + user.name.encode(), msgspec.msgpack.encode(user)


def delete_user(user: User) -> tuple[bytes, None]:
    return USER + user.name.encode(), None
