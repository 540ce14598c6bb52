"""Tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hippod_client.definitions import SettingValue, TableInfo, TrashedTable
from hippod_client.partitions import Partitioning
from hippod_client.requests.base import Reply, Request, done
from hippod_client.schema import Field


def create_table(
    database: str,
    table: str,
    fields: Iterable[Field],
    auto_id: bool,
    tablets: int,
    partitioning: Partitioning | None = None,
    settings: Mapping[str, SettingValue] | None = None,
) -> Request[None]:
    schema = {"fields": [field.to_wire() for field in fields], "auto_id": auto_id}
    body = {"op": "create_table", "table": table, "schema": schema, "tablets": tablets, "database": database}
    if partitioning is not None:
        body["partitioning"] = partitioning.to_wire()
    if settings:
        body["settings"] = dict(settings)
    return Request(body, done)


def drop_table(database: str, table: str, purge: bool = False) -> Request[None]:
    body = {"op": "drop_table", "table": table, "database": database}
    return Request({**body, "purge": True} if purge else body, done)


def describe_table(database: str, table: str) -> Request[TableInfo]:
    return Request({"op": "describe_table", "table": table, "database": database}, TableInfo.of, is_read=True)


def describe_tables(database: str, pattern: str) -> Request[list[TableInfo]]:
    return Request({"op": "describe_tables", "pattern": pattern, "database": database}, _infos, is_read=True)


def _infos(reply: Reply) -> list[TableInfo]:
    return list(map(TableInfo.of, reply["tables"]))


def list_tables(database: str) -> Request[list[str]]:
    return Request({"op": "list_tables", "database": database}, _tables, is_read=True)


def _tables(reply: Reply) -> list[str]:
    return list(reply["tables"])


def rename_table(database: str, table: str, new_name: str) -> Request[None]:
    return Request({"op": "rename_table", "table": table, "new_name": new_name, "database": database}, done)


def restore_table(database: str, table: str, new_name: str | None) -> Request[None]:
    return Request({"op": "restore_table", "table": table, "new_name": new_name, "database": database}, done)


def purge_table(database: str, table: str) -> Request[None]:
    return Request({"op": "purge_table", "table": table, "database": database}, done)


def list_trash(database: str) -> Request[list[TrashedTable]]:
    return Request({"op": "list_trash", "database": database}, _trash, is_read=True)


def _trash(reply: Reply) -> list[TrashedTable]:
    return list(map(TrashedTable.of, reply["tables"]))


def close_tables(database: str, pattern: str) -> Request[None]:
    return Request({"op": "close_tables", "pattern": pattern, "database": database}, done)


def open_tables(database: str, pattern: str) -> Request[None]:
    return Request({"op": "open_tables", "pattern": pattern, "database": database}, done)
