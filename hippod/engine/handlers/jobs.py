"""Operations on jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.operations import CancelJob, Done, GetJob, JobInfo, JobList, ListJobs

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


def get_job(engine: Engine, operation: GetJob, _deadline: float | None) -> JobInfo:
    return engine.jobs.get(operation.job).info()


def list_jobs(engine: Engine, _operation: ListJobs, _deadline: float | None) -> JobList:
    return JobList([job.info() for job in engine.jobs.all()])


async def cancel_job(engine: Engine, operation: CancelJob, _deadline: float | None) -> Done:
    await engine.jobs.cancel(operation.job)
    return Done()
