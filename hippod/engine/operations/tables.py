"""Requests and results about tables."""

from __future__ import annotations

from typing import Final

import msgspec

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result
from hippod.engine.operations.indexes import IndexInfo
from hippod.engine.operations.partitions import Partitioning, PartitioningInfo
from hippod.engine.operations.scalar_indexes import ScalarIndexInfo
from hippod.engine.operations.settings import SettingValue
from hippod.engine.schema import Schema

TABLETS_MAX: Final = 64


class CreateTable(Operation, frozen=True, tag="create_table"):
    """Make an empty table. `tablets`: into how many parts (1 to TABLETS_MAX) rows are divided by a hash of their primary key, in each
    partition if there is a `partitioning`. `settings` as in change_settings."""

    table: str
    schema: Schema
    database: str = DEFAULT_DATABASE
    tablets: int = 1
    partitioning: Partitioning | None = None
    settings: dict[str, SettingValue | None] = {}


class RenameTable(Operation, frozen=True, tag="rename_table"):
    """Give a table a new name. Its id stays, and aliases follow."""

    table: str
    new_name: str
    database: str = DEFAULT_DATABASE


class DropTable(Operation, frozen=True, tag="drop_table"):
    """Put the table into the trash: its name is free, its memory is given back, and it can be restored for some days.

    `purge`: remove it for good instead, at once.
    """

    table: str
    purge: bool = False
    database: str = DEFAULT_DATABASE


class RestoreTable(Operation, frozen=True, tag="restore_table"):
    """Take a table out of the trash: by its id, or the last one that was dropped of that name. It comes back open, with its indexes
    released, under `new_name` or its own."""

    table: str
    new_name: str | None = None
    database: str = DEFAULT_DATABASE


class PurgeTable(Operation, frozen=True, tag="purge_table"):
    """Remove tables in the trash for good: the one of this id, or all of this name."""

    table: str
    database: str = DEFAULT_DATABASE


class ListTrash(Operation, frozen=True, tag="list_trash"):
    """The tables in the trash, the last one dropped first; `database` None means all databases."""

    is_read = True
    database: str | None = DEFAULT_DATABASE


class CloseTables(Operation, frozen=True, tag="close_tables"):
    """Close the tables whose names match `pattern` (names with `*`, separated by commas): their rows and indexes leave the memory, and
    all access to their rows is refused. A name without `*` must exist; closed ones stay as they are."""

    pattern: str
    database: str = DEFAULT_DATABASE


class OpenTables(Operation, frozen=True, tag="open_tables"):
    """Open closed tables. Their indexes stay released until they are loaded."""

    pattern: str
    database: str = DEFAULT_DATABASE


class DescribeTable(Operation, frozen=True, tag="describe_table"):
    """Fields, indexes and number of rows of a table."""

    is_read = True
    table: str
    database: str = DEFAULT_DATABASE


class DescribeTables(Operation, frozen=True, tag="describe_tables"):
    """All tables whose names match `pattern`, by name."""

    is_read = True
    pattern: str = "*"
    database: str = DEFAULT_DATABASE


class GetSchema(Operation, frozen=True, tag="get_schema"):
    """The fields of the table that a read goes to, or with `for_write` a write, where `table` is an alias."""

    is_read = True
    table: str
    for_write: bool = False
    database: str = DEFAULT_DATABASE


class ListTables(Operation, frozen=True, tag="list_tables"):
    """The names of all tables of a database."""

    is_read = True
    database: str = DEFAULT_DATABASE


class TableInfo(Result, frozen=True):
    """`id` is 32 hex digits and survives renames; `rows` counts living rows; `state` is `open` or `closed`; `created` is in seconds
    since the epoch; `aliases` lead to it, for reading or writing; `tablets` are in each partition, if it has `partitioning`; `settings` as
    get_settings gives them; `owner` is the user who may do everything with it."""

    table: str
    database: str
    id: str
    schema: Schema
    tablets: int
    rows: int
    indexes: list[IndexInfo]
    state: str
    created: float
    aliases: list[str]
    settings: dict[str, SettingValue]
    owner: str
    partitioning: PartitioningInfo | None = None
    scalar_indexes: list[ScalarIndexInfo] = []


class TableSchema(Result, frozen=True):
    """The fields of one table, which may be closed; `id` as in TableInfo."""

    table: str
    database: str
    id: str
    schema: Schema


class TableInfos(Result, frozen=True):
    """In alphabetical order of the names."""

    tables: list[TableInfo]


class TableList(Result, frozen=True):
    """Names in alphabetical order."""

    tables: list[str]


class TrashedTable(msgspec.Struct, frozen=True):
    """`dropped` and `expires` are in seconds since the epoch; the latter moves on while the server is down."""

    table: str
    database: str
    id: str
    rows: int
    dropped: float
    expires: float


class TrashList(Result, frozen=True):
    """The last one dropped first."""

    tables: list[TrashedTable]
