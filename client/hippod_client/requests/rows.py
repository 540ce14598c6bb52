"""Rows: columnar writes, and reads by primary key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from hippod_client.columns import encode_cells
from hippod_client.requests.base import References, Request, column, packed, references
from hippod_client.results import Rows, WriteResult
from hippod_client.wire.bodies import Blocks

_REMEMBERED: Final = 256


def insert(database: str, table: str, rows: Mapping[str, object]) -> Request[WriteResult]:
    return _write("insert", database, table, rows)


def update(database: str, table: str, rows: Mapping[str, object]) -> Request[WriteResult]:
    return _write("update", database, table, rows)


def upsert(database: str, table: str, rows: Mapping[str, object]) -> Request[WriteResult]:
    return _write("upsert", database, table, rows)


def _write(op: str, database: str, table: str, rows: Mapping[str, object]) -> Request[WriteResult]:
    blocks = Blocks()
    sent = tuple([references(field, encode_cells(field, values), blocks) for field, values in rows.items()])
    return Request(_write_body(op, database, table, sent), WriteResult.of, blocks)


@lru_cache(_REMEMBERED)
def _write_body(op: str, database: str, table: str, sent: tuple[References, ...]) -> bytes:
    """Cells are in blocks beside the body, so a program that writes row by row sends the same one each time."""
    return packed({"op": op, "table": table, "columns": [column(*references) for references in sent], "database": database})


def delete(database: str, table: str, keys: object) -> Request[WriteResult]:
    blocks = Blocks()
    # The empty field name stands for the primary key, whatever it is called.
    sent = column(*references("", encode_cells("keys", keys), blocks))
    return Request({"op": "delete", "table": table, "keys": sent, "database": database}, WriteResult.of, blocks)


def delete_by_query(database: str, table: str, filter: str) -> Request[WriteResult]:
    return Request({"op": "delete_by_query", "table": table, "filter": filter, "database": database}, WriteResult.of)


def get(database: str, table: str, keys: object, output_fields: Sequence[str] | None) -> Request[Rows]:
    blocks = Blocks()
    body = {"op": "get", "table": table, "keys": column(*references("", encode_cells("keys", keys), blocks)), "database": database}
    if output_fields is not None:
        body["output_fields"] = list(output_fields)
    return Request(body, Rows.of_get, blocks, is_read=True)
