"""Long work with a name, a progress and an end: who runs, how far it is, and how to stop it."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from hippod.engine.operations import JobInfo, JobStatus
from hippod.errors import HippodError, JobNotFound, RetryLater, WrongState

FINISHED_KEPT: Final = 1_000
RUNNING_MAX: Final = 64

_log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]


class Job:
    """One piece of work. `done` completes when it has ended, however it ended. Without a `task` it is work that the server does by itself:
    shown here, but neither waited for nor stopped."""

    def __init__(self, action: str, database: str, table: str, index: str) -> None:
        self.id = uuid.uuid4().hex
        self.action, self.database, self.table, self.index = action, database, table, index
        self.status = JobStatus.PENDING
        self.progress, self.stage, self.vectors, self.rows = 0.0, "", 0, 0
        self.started = time.time()
        self.ended: float | None = None
        self.error: str | None = None
        self.failure: HippodError | None = None
        self.done = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def report(self, progress: float, stage: str) -> None:
        self.progress, self.stage = progress, stage

    @property
    def is_stoppable(self) -> bool:
        """Whether it runs and can be stopped."""
        return self.ended is None and self.task is not None

    def info(self) -> JobInfo:
        return JobInfo(
            id=self.id,
            action=self.action,
            database=self.database,
            table=self.table,
            index=self.index,
            status=self.status.value,
            progress=round(self.progress, 4),
            stage=self.stage,
            vectors=self.vectors,
            started=self.started,
            ended=self.ended,
            error=self.error,
            rows=self.rows,
        )


def _end(job: Job) -> None:
    """A job ends where its task does, also one canceled before its first step."""
    if job.status in (JobStatus.PENDING, JobStatus.RUNNING):
        job.status, job.error = JobStatus.CANCELED, "canceled"
    job.ended = time.time()
    job.done.set()


class Jobs:
    """All jobs that run, and the last that ended. Event loop only."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def start(self, job: Job, work: Callable[[Job], Awaitable[None]]) -> Job:
        """Begin `work`; it reports through `job` and ends it by returning, raising or being canceled."""
        running = [j for j in self._jobs.values() if j.is_stoppable]
        if len(running) >= RUNNING_MAX:
            raise RetryLater(f"{RUNNING_MAX} jobs are running, the most allowed: try again when one has ended")
        self._keep(job)
        job.task = asyncio.get_running_loop().create_task(self._run(job, work))
        job.task.add_done_callback(lambda _: _end(job))
        return job

    @contextmanager
    def shown(self, job: Job) -> Iterator[Progress]:
        """Show as a job what is done inside, which reports by what it is given; it ends as what is inside ends."""
        self._keep(job)
        job.status = JobStatus.RUNNING
        try:
            yield job.report
            job.status, job.progress = JobStatus.SUCCEEDED, 1.0
        except Exception as error:
            job.status, job.error = JobStatus.FAILED, str(error)
            raise
        finally:
            _end(job)

    def _keep(self, job: Job) -> None:
        finished = [j.id for j in self._jobs.values() if j.ended is not None]
        for old in finished[: max(0, len(finished) - FINISHED_KEPT + 1)]:
            del self._jobs[old]
        self._jobs[job.id] = job

    async def _run(self, job: Job, work: Callable[[Job], Awaitable[None]]) -> None:
        job.status = JobStatus.RUNNING
        try:
            await work(job)
            job.status, job.progress = JobStatus.SUCCEEDED, 1.0
        except HippodError as error:
            job.status, job.error, job.failure = JobStatus.FAILED, error.message, error
        except Exception as error:
            _log.exception("job %s (%s) failed", job.id, job.action)
            job.status, job.error = JobStatus.FAILED, f"a defect of the server: {type(error).__name__}"

    def get(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None:
            raise JobNotFound(f"no job {job_id[:64]!r}", job=job_id[:64])
        return job

    def all(self) -> list[Job]:
        return list(self._jobs.values())

    async def cancel(self, job_id: str) -> None:
        """Stop a running job and wait for its end; forget a finished one. Raises WrongState for what the server does by itself."""
        job = self.get(job_id)
        if job.ended is not None:
            del self._jobs[job_id]
            return
        if not job.is_stoppable:
            raise WrongState(f"the server does this by itself ({job.action}): it ends with the index", job=job.id)
        await self._stop([job])

    def running_on(self, database: str, table: str) -> Job | None:
        """A job that runs on a table and can be stopped, if there is one."""
        return next((j for j in self._jobs.values() if j.is_stoppable and (j.database, j.table) == (database, table)), None)

    async def cancel_of_table(self, database: str, table: str, index: str | None = None) -> None:
        """Stop the running jobs of a table, or of one of its indexes, before it goes away."""
        named = [j for j in self._jobs.values() if (j.database, j.table) == (database, table) and index in (None, j.index)]
        await self._stop(named)

    def rename_table(self, database: str, table: str, new_name: str) -> None:
        """Jobs of a table that was renamed go by its new name."""
        for job in self._jobs.values():
            if job.ended is None and (job.database, job.table) == (database, table):
                job.table = new_name

    async def close(self) -> None:
        await self._stop(list(self._jobs.values()))

    async def _stop(self, jobs: list[Job]) -> None:
        stopped = [job for job in jobs if job.is_stoppable]
        for job in stopped:
            if job.task is not None:
                job.task.cancel()
        for job in stopped:
            await job.done.wait()
