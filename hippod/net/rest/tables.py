"""Routes of tables: create, describe, rename, drop, trash, open and close."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hippod.engine.operations import (
    DEFAULT_DATABASE,
    CloseTables,
    CreateTable,
    DescribeTable,
    DescribeTables,
    DropTable,
    OpenTables,
    PurgeTable,
    RenameTable,
    RestoreTable,
    TableInfo,
    TableInfos,
)
from hippod.engine.operations.settings import SettingValue
from hippod.errors import NotFound, TypeMismatch
from hippod.net.rest.body import Body, DatabaseQuery, NoBody, Query, plain_values
from hippod.net.rest.envelope import Acknowledged
from hippod.net.rest.indexes import IndexView, shown_index
from hippod.net.rest.partitioning import HashPartitions, PartitionsBody, to_partitioning
from hippod.net.rest.routes import Call, Route
from hippod.net.rest.schemas import SchemaBody, SchemaView, shown_schema, to_schema

_SHARDS: Final = "number_of_shards"


class CreateTableBody(Body, frozen=True):
    """`partition_schema`: by range or single values; `primary_partition_schema`: by hash. Not both."""

    schema: SchemaBody
    settings: dict[str, Any] | None = None
    partition_schema: PartitionsBody | None = None
    primary_partition_schema: HashPartitions | None = None


class TableView(msgspec.Struct, frozen=True):
    """A table as GET shows it; `rows` that live, `created` in seconds since the epoch."""

    database_name: str
    table_id: str
    state: str
    rows: int
    created: float
    owner: str
    settings: dict[str, SettingValue]
    schema: SchemaView
    embedding_indexes: list[IndexView]
    aliases: list[str]


class TableBody(Body, frozen=True):
    table_name: str
    database_name: str | None = None


class RenameBody(Body, frozen=True):
    table_name: str
    new_table_name: str
    database_name: str | None = None


class OpenBody(Body, frozen=True):
    """`database_name` here goes before that of the query string."""

    database_name: str | None = None


class RestoreBody(Body, frozen=True):
    """`new_table_name`: come back under another name."""

    new_table_name: str | None = None


async def create_table(call: Call[DatabaseQuery, CreateTableBody]) -> Acknowledged:
    body = call.body
    settings = plain_values(body.settings or {})
    tablets = settings.pop(_SHARDS, 1)
    if not isinstance(tablets, int) or isinstance(tablets, bool):
        raise TypeMismatch(f"settings.{_SHARDS} is a whole number", field=_SHARDS)
    for name, value in settings.items():
        if not isinstance(value, bool | int | float | str):
            raise TypeMismatch(f"settings.{name[:128]} is a number, a text, true or false", field=name[:128])
    await call.execute(
        CreateTable(
            table=call.path["table"],
            schema=to_schema(body.schema),
            database=call.query.database_name,
            tablets=tablets,
            partitioning=to_partitioning(body.partition_schema, body.primary_partition_schema),
            settings=settings,
        )
    )
    return Acknowledged()


async def describe_tables(call: Call[DatabaseQuery, NoBody]) -> dict[str, TableView]:
    """Keyed as asked, also by an alias; a pattern by the names of the tables that it means."""
    name, database = call.path["table"], call.query.database_name
    if "*" in name or "," in name:
        found: TableInfos = await call.execute(DescribeTables(name, database))
        return {info.table: _view(info) for info in found.tables}
    return {name: _view(await call.execute(DescribeTable(name, database)))}


def _view(info: TableInfo) -> TableView:
    return TableView(
        database_name=info.database,
        table_id=info.id,
        state=info.state,
        rows=info.rows,
        created=info.created,
        owner=info.owner,
        settings=info.settings,
        schema=shown_schema(info.schema),
        embedding_indexes=[shown_index(index) for index in info.indexes],
        aliases=info.aliases,
    )


async def check_table(call: Call[Query, TableBody]) -> Acknowledged:
    try:
        await call.execute(DescribeTable(call.body.table_name, call.body.database_name or DEFAULT_DATABASE))
    except NotFound:
        return Acknowledged(False)
    return Acknowledged()


async def rename_table(call: Call[Query, RenameBody]) -> Acknowledged:
    body = call.body
    await call.execute(RenameTable(body.table_name, body.new_table_name, body.database_name or DEFAULT_DATABASE))
    return Acknowledged()


async def drop_table(call: Call[DatabaseQuery, NoBody]) -> Acknowledged:
    await call.execute(DropTable(call.path["table"], database=call.query.database_name))
    return Acknowledged()


async def purge_table(call: Call[DatabaseQuery, NoBody]) -> Acknowledged:
    await call.execute(PurgeTable(call.path["table"], call.query.database_name))
    return Acknowledged()


async def restore_table(call: Call[DatabaseQuery, RestoreBody]) -> Acknowledged:
    await call.execute(RestoreTable(call.path["table"], call.body.new_table_name, call.query.database_name))
    return Acknowledged()


async def open_tables(call: Call[DatabaseQuery, OpenBody]) -> Acknowledged:
    await call.execute(OpenTables(call.path["pattern"], call.body.database_name or call.query.database_name))
    return Acknowledged()


async def close_tables(call: Call[DatabaseQuery, OpenBody]) -> Acknowledged:
    await call.execute(CloseTables(call.path["pattern"], call.body.database_name or call.query.database_name))
    return Acknowledged()


ROUTES: Final = (
    Route("GET", "/_check_table_existence", check_table, "Tell whether a table or an alias exists"),
    Route("PUT", "/_rename_table", rename_table, "Rename a table; aliases follow"),
    Route("DELETE", "/_trash/{table}", purge_table, "Remove tables in the trash for good, by name or id"),
    Route("POST", "/_trash/{table}/_restore", restore_table, "Take a table out of the trash, by name or id"),
    Route("GET POST", "/{pattern}/_open", open_tables, "Open tables; their indexes stay released"),
    Route("GET POST", "/{pattern}/_close", close_tables, "Close tables"),
    Route("PUT", "/{table}", create_table, "Create a table"),
    Route("GET", "/{table}", describe_tables, "Describe a table, or those that a pattern means"),
    Route("DELETE", "/{table}", drop_table, "Put a table into the trash"),
)
