"""Many rows at a time, in jobs: copied from table to table, or removed."""

from __future__ import annotations

from collections.abc import Sequence

from hippod_client.definitions import RemoteSource
from hippod_client.requests.base import Request
from hippod_client.results import JobInfo


def copy_by_query(
    database: str,
    table: str,
    to_table: str,
    filter: str,
    fields: Sequence[str] | None,
    to_fields: Sequence[str] | None,
    mode: str,
    to_database: str | None,
    remote: RemoteSource | None,
) -> Request[JobInfo]:
    body = {"op": "copy_by_query", "table": table, "to_table": to_table, "mode": str(mode), "filter": filter, "wait": False}
    for name, names in (("fields", fields), ("to_fields", to_fields)):
        if names is not None:
            body[name] = list(names)
    if remote is not None:
        body["remote"] = remote.to_wire()
    return Request({**body, "database": database, "to_database": database if to_database is None else to_database}, JobInfo.of)


def delete_matching(database: str, table: str, filter: str) -> Request[JobInfo]:
    return Request({"op": "delete_matching", "table": table, "filter": filter, "wait": False, "database": database}, JobInfo.of)
