"""The route of copies from table to table, as jobs."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from hippod.engine.operations import (
    DEFAULT_DATABASE,
    CopyByQuery,
    DescribeTable,
    JobInfo,
    RemoteSource,
    TableInfo,
    WriteMode,
)
from hippod.errors import BadRequest
from hippod.net.rest.body import JobBody, Query
from hippod.net.rest.envelope import JobAnswer, job_answer
from hippod.net.rest.routes import Call, Route


class SourceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With `remote_info` (hosts as host:port, user, password) a table of another server."""

    table_name: str
    database_name: str | None = None
    remote_info: dict[str, Any] | None = None


class DestinationTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    table_name: str
    database_name: str | None = None


class CopyBody(JobBody, frozen=True, kw_only=True):
    """`fields` none or empty means all; `fields_projection` has their names in the destination: a list in the same order, or old to new."""

    source_table: SourceTable
    dest_table: DestinationTable
    fields: list[str] | None = None
    fields_projection: list[str] | dict[str, str] | None = None
    expr: str | None = None
    op_type: str | None = None


class CopyAnswer(JobAnswer, frozen=True):
    copied: int | None = None


class _RemoteInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hosts: list[str] | str
    user: str
    password: str


async def copy_by_query(call: Call[Query, CopyBody]) -> CopyAnswer:
    body = call.body
    source, destination = body.source_table, body.dest_table
    database = source.database_name or DEFAULT_DATABASE
    remote = _remote(source.remote_info)
    fields = body.fields or None
    projection = body.fields_projection or None
    if fields is None and projection is not None:
        if remote is not None:
            raise BadRequest("fields_projection needs fields where the source is another server", field="fields")
        info: TableInfo = await call.execute(DescribeTable(source.table_name, database))
        fields = [field.name for field in info.schema.fields]
    copy = CopyByQuery(
        table=source.table_name,
        to_table=destination.table_name,
        mode=_mode(body.op_type),
        fields=fields,
        to_fields=_targets(fields or [], projection),
        filter=body.expr or "",
        remote=remote,
        wait=body.waits,
        database=database,
        to_database=destination.database_name or DEFAULT_DATABASE,
    )
    job: JobInfo = await call.execute_job(copy, body)
    answer = job_answer(job, call.server, time.time(), waited=body.waits)
    return CopyAnswer(**msgspec.structs.asdict(answer), copied=job.rows if body.waits else None)


def _mode(op_type: str | None) -> WriteMode:
    try:
        return WriteMode((op_type or "insert").lower())
    except ValueError:
        raise BadRequest(f"op_type is insert, update or upsert, not {str(op_type)[:40]!r}", field="op_type") from None


def _targets(fields: list[str], projection: list[str] | dict[str, str] | None) -> list[str] | None:
    if projection is None:
        return None
    if isinstance(projection, list):
        return projection
    unknown = projection.keys() - set(fields)
    if unknown:
        raise BadRequest(f"fields_projection names {min(unknown)[:128]!r}, which is none of the fields", field="fields_projection")
    return [projection.get(name, name) for name in fields]


def _remote(info: dict[str, Any] | None) -> RemoteSource | None:
    if not info:
        return None
    try:
        given = msgspec.convert(info, _RemoteInfo)
    except msgspec.ValidationError as error:
        raise BadRequest(f"remote_info is not valid: {error}", field="remote_info") from None
    hosts = given.hosts.split(",") if isinstance(given.hosts, str) else given.hosts
    return RemoteSource([host.strip() for host in hosts], given.user, given.password)


ROUTES: Final = (Route("POST", "/_copy_by_query", copy_by_query, "Copy the rows that match into another table, as a job"),)
