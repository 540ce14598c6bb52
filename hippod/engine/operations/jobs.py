"""Requests and results about long-running work."""

from __future__ import annotations

import enum

from hippod.engine.operations.base import Operation, Result


class JobStatus(enum.StrEnum):
    """Where a job stands; the last three are ends."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class GetJob(Operation, frozen=True, tag="get_job"):
    """The state of a job by its id."""

    is_read = True
    job: str


class ListJobs(Operation, frozen=True, tag="list_jobs"):
    """The jobs that run and the last 1,000 that ended since the server started."""

    is_read = True


class CancelJob(Operation, frozen=True, tag="cancel_job"):
    """Stop a running job and answer when it has ended; a finished one is forgotten."""

    job: str


class JobInfo(Result, frozen=True):
    """`id` is 32 hex digits; `progress` from 0.0 to 1.0; `vectors` handled by jobs of an index, `rows` written or removed by
    others; times are seconds since the epoch (`ended` None while it runs)."""

    id: str
    action: str
    database: str
    table: str
    index: str
    status: str
    progress: float
    stage: str
    vectors: int
    started: float
    ended: float | None
    error: str | None
    rows: int = 0


class JobList(Result, frozen=True):
    """In the order in which they were started."""

    jobs: list[JobInfo]
