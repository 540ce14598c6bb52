"""Routes of jobs."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from hippod.engine.operations import CancelJob, JobInfo, JobList, ListJobs
from hippod.net.rest.body import Body, NoBody, Query
from hippod.net.rest.envelope import Acknowledged, Answer, TaskResult, embedding_number, job_status, task_results
from hippod.net.rest.routes import Call, Route

# Actions are named as Hippo's: clients ask for `hippo*`.
_ACTION_PREFIX: Final = "hippo/"


class JobsBody(Body, frozen=True):
    """`job_jds` is how the client spells `job_ids`; both are read, and no list, or an empty one, means all."""

    job_ids: list[str] | None = None
    job_jds: list[str] | None = None
    action_patterns: list[str] | None = None


class JobView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Times are milliseconds since the epoch and seconds; `progress` goes from 0.0 to 1.0."""

    job_id: str
    job_status: str
    action: str
    database_name: str
    table_name: str
    start_time: int
    execute_time: float
    progress: float
    stage: str
    task_results: list[TaskResult]
    embedding_number: int | None = None
    index_name: str | None = None
    errors: list[str] | None = None


class JobsAnswer(Answer, frozen=True):
    jobs: list[JobView]


async def list_jobs(call: Call[Query, JobsBody]) -> JobsAnswer:
    found: JobList = await call.execute(ListJobs())
    ids = {*(call.body.job_ids or ()), *(call.body.job_jds or ())}
    patterns = [pattern.lower() for pattern in call.body.action_patterns or ()]
    now = time.time()
    views = [_view(job, call.server, now) for job in found.jobs if not ids or job.id in ids]
    return JobsAnswer([view for view in views if not patterns or any(fnmatchcase(view.action, p) for p in patterns)])


def _view(job: JobInfo, server: str, now: float) -> JobView:
    tasks = task_results(job, server, now)
    return JobView(
        job_id=job.id,
        job_status=job_status(job),
        action=_ACTION_PREFIX + job.action,
        database_name=job.database,
        table_name=job.table,
        start_time=round(job.started * 1_000),
        execute_time=tasks[0].execute_time,
        progress=job.progress,
        stage=job.stage,
        task_results=tasks,
        embedding_number=embedding_number(job),
        index_name=job.index or None,
        errors=[job.error] if job.error else None,
    )


async def delete_job(call: Call[Query, NoBody]) -> Acknowledged:
    await call.execute(CancelJob(call.path["job"]))
    return Acknowledged()


ROUTES: Final = (
    Route("GET POST", "/_jobs", list_jobs, "List jobs by id and by pattern of their action"),
    Route("DELETE", "/_jobs/{job}", delete_job, "Cancel a running job, or forget one that has ended"),
)
