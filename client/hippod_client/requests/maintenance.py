"""Looking after tables."""

from __future__ import annotations

from collections.abc import Sequence

from hippod_client.definitions import TabletStatistics
from hippod_client.requests.base import Reply, Request, done
from hippod_client.results import JobInfo


def analyze_table(database: str, table: str, fields: Sequence[str], refresh: bool) -> Request[JobInfo]:
    body = {"op": "analyze_table", "table": table, "fields": list(fields), "refresh": refresh, "wait": False, "database": database}
    return Request(body, JobInfo.of)


def get_statistics(database: str, table: str, fields: Sequence[str]) -> Request[list[TabletStatistics]]:
    return Request({"op": "get_statistics", "table": table, "fields": list(fields), "database": database}, _statistics, is_read=True)


def _statistics(reply: Reply) -> list[TabletStatistics]:
    return list(map(TabletStatistics.of, reply["tablets"]))


def warm_up_table(database: str, table: str) -> Request[JobInfo]:
    return Request({"op": "warm_up_table", "table": table, "wait": False, "database": database}, JobInfo.of)


def compact_table(database: str, table: str) -> Request[JobInfo]:
    return Request({"op": "compact_table", "table": table, "wait": False, "database": database}, JobInfo.of)


def drop_caches(indexes: bool) -> Request[None]:
    return Request({"op": "drop_caches", "indexes": indexes}, done)
