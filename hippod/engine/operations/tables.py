"""Requests and results about tables."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result
from hippod.engine.operations.indexes import IndexInfo
from hippod.engine.schema import Schema

TABLETS_MAX: Final = 64


class CreateTable(Operation, frozen=True, tag="create_table"):
    """`tablets`: into how many parts (1 to TABLETS_MAX) rows are divided by a hash of their primary key."""

    table: str
    schema: Schema
    database: str = DEFAULT_DATABASE
    tablets: int = 1


class DropTable(Operation, frozen=True, tag="drop_table"):
    table: str
    database: str = DEFAULT_DATABASE


class DescribeTable(Operation, frozen=True, tag="describe_table"):
    is_read = True
    table: str
    database: str = DEFAULT_DATABASE


class ListTables(Operation, frozen=True, tag="list_tables"):
    is_read = True
    database: str = DEFAULT_DATABASE


class TableInfo(Result, frozen=True):
    """`id` is 32 hex digits and survives renames; `rows` counts living rows."""

    table: str
    database: str
    id: str
    schema: Schema
    tablets: int
    rows: int
    indexes: list[IndexInfo]


class TableList(Result, frozen=True):
    tables: list[str]
