"""Operations on jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from hippod.engine.jobs import Job
from hippod.engine.operations import CancelJob, Done, GetJob, JobInfo, JobList, ListJobs

if TYPE_CHECKING:
    from hippod.engine.engine import Engine

# A caller who waits gets the state of the job this long before its deadline, rather than an error at it.
_ANSWER_BEFORE_S: Final = 0.25


async def run_job(engine: Engine, job: Job, work: Callable[[Job], Awaitable[None]], deadline: float | None, *, wait: bool) -> JobInfo:
    """Start a job; wait for its end if asked to. A job that fails while the caller waits raises its error."""
    engine.jobs.start(job, work)
    if wait:
        timeout = None if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time() - _ANSWER_BEFORE_S)
        try:
            await asyncio.wait_for(job.done.wait(), timeout)
        except TimeoutError:
            return job.info()
        if job.failure is not None:
            raise job.failure
    return job.info()


def get_job(engine: Engine, operation: GetJob, _deadline: float | None) -> JobInfo:
    return engine.jobs.get(operation.job).info()


def list_jobs(engine: Engine, _operation: ListJobs, _deadline: float | None) -> JobList:
    return JobList([job.info() for job in engine.jobs.all()])


async def cancel_job(engine: Engine, operation: CancelJob, _deadline: float | None) -> Done:
    await engine.jobs.cancel(operation.job)
    return Done()
