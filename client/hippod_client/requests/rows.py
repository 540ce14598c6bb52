"""Rows: columnar writes, and reads by primary key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hippod_client.columns import encode_cells
from hippod_client.requests.base import Request, column, columns
from hippod_client.results import Rows, WriteResult
from hippod_client.wire.bodies import Blocks


def insert(database: str, table: str, rows: Mapping[str, object]) -> Request[WriteResult]:
    return _write("insert", database, table, rows)


def update(database: str, table: str, rows: Mapping[str, object]) -> Request[WriteResult]:
    return _write("update", database, table, rows)


def upsert(database: str, table: str, rows: Mapping[str, object]) -> Request[WriteResult]:
    return _write("upsert", database, table, rows)


def _write(op: str, database: str, table: str, rows: Mapping[str, object]) -> Request[WriteResult]:
    blocks = Blocks()
    return Request({"op": op, "table": table, "columns": columns(rows, blocks), "database": database}, WriteResult.of, blocks)


def delete(database: str, table: str, keys: object) -> Request[WriteResult]:
    blocks = Blocks()
    # The empty field name stands for the primary key, whatever it is called.
    sent = column("", encode_cells("keys", keys), blocks)
    return Request({"op": "delete", "table": table, "keys": sent, "database": database}, WriteResult.of, blocks)


def delete_by_query(database: str, table: str, filter: str) -> Request[WriteResult]:
    return Request({"op": "delete_by_query", "table": table, "filter": filter, "database": database}, WriteResult.of)


def get(database: str, table: str, keys: object, output_fields: Sequence[str] | None) -> Request[Rows]:
    blocks = Blocks()
    body = {"op": "get", "table": table, "keys": column("", encode_cells("keys", keys), blocks), "database": database}
    if output_fields is not None:
        body["output_fields"] = list(output_fields)
    return Request(body, Rows.of_get, blocks, is_read=True)
