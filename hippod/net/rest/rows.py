"""Routes that write rows."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
import numpy as np

from hippod.engine.arrays import Column
from hippod.engine.operations import (
    DEFAULT_DATABASE,
    Delete,
    DeleteMatching,
    GetSchema,
    Insert,
    JobInfo,
    Operation,
    RowFailure,
    TableSchema,
    Update,
    Upsert,
    WriteResult,
)
from hippod.engine.schema import Schema
from hippod.errors import BadRequest, Rejected
from hippod.net.rest.body import Body, DatabaseQuery, JobBody, Query
from hippod.net.rest.columns import read_column, shown_cells
from hippod.net.rest.envelope import Answer, JobAnswer, job_answer
from hippod.net.rest.routes import Call, Route

_WRITES: Final[dict[str, type[Insert | Update | Upsert]]] = {"insert": Insert, "update": Update, "upsert": Upsert}
_DELETE: Final = "delete"
_BYTES_ON_LOOP_MAX: Final = 16 << 10


class FieldCells(Body, frozen=True):
    """`field`: one value a row."""

    field_name: str
    field: msgspec.Raw


class BulkBody(Body, frozen=True):
    """`op_type` is insert, update, upsert or delete; `num_rows` must be the length of every list."""

    fields_data: list[FieldCells]
    num_rows: int
    op_type: str


class FailureView(msgspec.Struct, frozen=True):
    """Row `index` (0-based in the request) was not applied."""

    index: int
    type: str
    reason: str


class BulkAnswer(Answer, frozen=True):
    """`succ_index`: 0-based positions of the rows that were applied, and their number under the name of the operation; `failures` is there
    only if a row failed; `primary_keys` are the generated ones, one a row sent."""

    succ_index: list[int]
    insert_cnt: int | None = None
    update_cnt: int | None = None
    upsert_cnt: int | None = None
    delete_cnt: int | None = None
    primary_keys: Any = None
    failures: list[FailureView] | None = None

    @property
    def cells(self) -> int:
        return len(self.succ_index)


async def write_rows(call: Call[DatabaseQuery, BulkBody]) -> BulkAnswer:
    table, database, body = call.path["table"], call.query.database_name, call.body
    kind = body.op_type.lower()
    if kind not in _WRITES and kind != _DELETE:
        raise BadRequest(f"op_type is {', '.join(_WRITES)} or {_DELETE}, not {body.op_type[:40]!r}", field="op_type")
    found: TableSchema = await call.execute(GetSchema(table, for_write=True, database=database))
    schema = found.schema
    is_small = sum(len(cells.field) for cells in body.fields_data) <= _BYTES_ON_LOOP_MAX
    columns = _read(schema, body, kind) if is_small else await call.engine.pool.run(_read, schema, body, kind)
    operation: Operation = Delete(table, columns[0], database) if kind == _DELETE else _WRITES[kind](table, columns, database)
    result: WriteResult = await call.execute(operation)
    return _answer(schema, body, kind, result)


def _read(schema: Schema, body: BulkBody, kind: str) -> list[Column]:
    """The columns of a write; of a delete the primary key alone, whatever else is sent."""
    if kind == _DELETE:
        key = schema.primary_key.name
        wanted = [cells for cells in body.fields_data if cells.field_name == key]
        if len(wanted) != 1:
            raise Rejected(f"a delete needs the values of the primary key {key!r}, once", field=key)
    else:
        wanted = body.fields_data
    columns = [read_column(schema.field(cells.field_name), cells.field) for cells in wanted]
    for column in columns:
        if len(column.values) != body.num_rows:
            raise Rejected(f"field {column.field!r} has {len(column.values)} values, num_rows is {body.num_rows}", field=column.field)
    return columns


def _answer(schema: Schema, body: BulkBody, kind: str, result: WriteResult) -> BulkAnswer:
    succeeded = np.delete(np.arange(body.num_rows), [failure.position for failure in result.failures])
    keys = None if result.keys is None else shown_cells(schema.primary_key, result.keys)
    return BulkAnswer(
        succ_index=succeeded.tolist(),
        primary_keys=keys,
        failures=[_failure(failure) for failure in result.failures] or None,
        **{f"{kind}_cnt": result.count},
    )


def _failure(failure: RowFailure) -> FailureView:
    return FailureView(failure.position, failure.code.lower(), failure.message)


class DeleteByQueryBody(JobBody, frozen=True, kw_only=True):
    """`expr` must not be empty: a forgotten filter must not remove everything."""

    table_name: str
    database_name: str | None = None
    expr: str = ""


async def delete_by_query(call: Call[Query, DeleteByQueryBody]) -> JobAnswer:
    body = call.body
    operation = DeleteMatching(body.table_name, body.expr, body.waits, body.database_name or DEFAULT_DATABASE)
    job: JobInfo = await call.execute_job(operation, body)
    return job_answer(job, call.server, time.time(), waited=body.waits)


ROUTES: Final = (
    Route("POST", "/_delete_by_query", delete_by_query, "Delete the rows that match, in a job"),
    Route("PUT", "/{table}/_bulk", write_rows, "Insert, update, upsert or delete rows"),
)
