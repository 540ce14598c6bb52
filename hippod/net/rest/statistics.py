"""The route of the statistics of a table's columns."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from hippod.engine.operations import (
    AnalyzeTable,
    DescribeTable,
    GetStatistics,
    JobInfo,
    JobStatus,
    TableInfo,
    TableStatistics,
    TabletStatistics,
)
from hippod.net.rest.body import DatabaseQuery, JobBody
from hippod.net.rest.envelope import Answer, TaskResult, job_answer
from hippod.net.rest.routes import Call, Route


class AnalyzeBody(JobBody, frozen=True):
    """`columns`: none, or an empty list, means all; `is_update`: also where nothing has changed."""

    is_update: bool | None = None
    columns: list[str] | None = None


class ColumnStatistics(msgspec.Struct, frozen=True):
    """`column_id` is the place of the column in the schema, from 0."""

    column_id: int
    num_distinct_keys: int
    num_keys: int
    null_frequency: float
    correlation: float


class AnalyzedTask(TaskResult, frozen=True):
    """One tablet. Its statistics have a key with a blank."""

    column_statistics: list[ColumnStatistics] = msgspec.field(name="column statistics", default_factory=list)


class AnalyzeAnswer(Answer, frozen=True):
    """The envelope of a job, with one task a tablet once it has succeeded."""

    job_id: str
    job_status: str
    task_results: list[AnalyzedTask] | None = None
    errors: list[str] | None = None


async def analyze(call: Call[DatabaseQuery, AnalyzeBody]) -> AnalyzeAnswer:
    body, table, database = call.body, call.path["table"], call.query.database_name
    columns = body.columns or []
    operation = AnalyzeTable(table, columns, refresh=bool(body.is_update), wait=body.waits, database=database)
    job: JobInfo = await call.execute_job(operation, body)
    answer = job_answer(job, call.server, time.time(), waited=body.waits)
    tasks = None if answer.task_results is None else [AnalyzedTask(**msgspec.structs.asdict(task)) for task in answer.task_results]
    if body.waits and job.status == JobStatus.SUCCEEDED and answer.task_results:
        info: TableInfo = await call.execute(DescribeTable(table, database))
        found: TableStatistics = await call.execute(GetStatistics(table, columns, database))
        places = {field.name: place for place, field in enumerate(info.schema.fields)}
        tasks = [_task(answer.task_results[0], tablet, places) for tablet in found.tablets]
    return AnalyzeAnswer(answer.job_id, answer.job_status, tasks, answer.errors)


async def analyze_without_slash(call: Call[DatabaseQuery, AnalyzeBody]) -> AnalyzeAnswer:
    """The Python client asks so when it does not wait."""
    return await analyze(call)


def _task(whole: TaskResult, tablet: TabletStatistics, places: dict[str, int]) -> AnalyzedTask:
    """The task of one tablet; its id is that of the whole with the tablet's number at its end."""
    statistics = [
        ColumnStatistics(places[s.field], s.distinct, s.keys, s.null_frequency, s.correlation) for s in tablet.fields if s.field in places
    ]
    return AnalyzedTask(
        id=f"{whole.id[:-4]}{tablet.tablet:04x}",
        status=whole.status,
        server=whole.server,
        execute_time=whole.execute_time,
        column_statistics=statistics,
    )


ROUTES: Final = (
    Route("POST", "/{table}/_analyze_db", analyze, "Compute the statistics of columns, as a job"),
    Route("POST", "/{table}_analyze_db", analyze_without_slash, "As /{table}/_analyze_db"),
)
