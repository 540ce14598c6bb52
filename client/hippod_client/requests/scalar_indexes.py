"""Scalar indexes."""

from __future__ import annotations

from collections.abc import Sequence

from hippod_client.definitions import ScalarIndexInfo
from hippod_client.requests.base import Reply, Request, done


def create_scalar_index(database: str, table: str, index: str, fields: Sequence[str]) -> Request[None]:
    return Request({"op": "create_scalar_index", "table": table, "index": index, "fields": list(fields), "database": database}, done)


def drop_scalar_index(database: str, table: str, index: str) -> Request[None]:
    return Request({"op": "drop_scalar_index", "table": table, "index": index, "database": database}, done)


def list_scalar_indexes(database: str, table: str) -> Request[list[ScalarIndexInfo]]:
    return Request({"op": "list_scalar_indexes", "table": table, "database": database}, _indexes, is_read=True)


def _indexes(reply: Reply) -> list[ScalarIndexInfo]:
    return list(map(ScalarIndexInfo.of, reply["indexes"]))
