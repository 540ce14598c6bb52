"""Vector indexes and their life."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hippod_client.recall import RecallInfo
from hippod_client.requests.base import Reply, Request, done
from hippod_client.results import IndexInfo, JobInfo


def create_index(
    database: str, table: str, index: str, field: str, type: str, metric: str | None, params: Mapping[str, Any] | None
) -> Request[None]:
    body: dict[str, Any] = {"op": "create_index", "table": table, "index": index, "field": field, "type": str(type)}
    named = {} if metric is None else {"metric": str(metric)}
    return Request({**body, **named, "params": dict(params or {}), "database": database}, done)


def activate_index(database: str, table: str, index: str, wait: bool) -> Request[JobInfo]:
    return _job("activate_index", database, table, index, wait)


def rebuild_index(database: str, table: str, index: str, wait: bool) -> Request[JobInfo]:
    return _job("rebuild_index", database, table, index, wait)


def compact_index(database: str, table: str, index: str, wait: bool) -> Request[JobInfo]:
    return _job("compact_index", database, table, index, wait)


def set_auto_compaction(database: str, table: str, index: str, enabled: bool) -> Request[None]:
    return Request({"op": "set_auto_compaction", "table": table, "index": index, "enabled": enabled, "database": database}, done)


def load_index(database: str, table: str, index: str, wait: bool) -> Request[JobInfo]:
    return _job("load_index", database, table, index, wait)


def _job(op: str, database: str, table: str, index: str, wait: bool) -> Request[JobInfo]:
    return Request({"op": op, "table": table, "index": index, "wait": wait, "database": database}, JobInfo.of)


def release_index(database: str, table: str, index: str) -> Request[None]:
    return Request({"op": "release_index", "table": table, "index": index, "database": database}, done)


def drop_index(database: str, table: str, index: str) -> Request[None]:
    return Request({"op": "drop_index", "table": table, "index": index, "database": database}, done)


def list_indexes(database: str, table: str) -> Request[list[IndexInfo]]:
    return Request({"op": "list_indexes", "table": table, "database": database}, _indexes, is_read=True)


def describe_recall(database: str, table: str, index: str) -> Request[RecallInfo]:
    return Request({"op": "describe_recall", "table": table, "index": index, "database": database}, RecallInfo.of, is_read=True)


def _indexes(reply: Reply) -> list[IndexInfo]:
    return list(map(IndexInfo.of, reply["indexes"]))
