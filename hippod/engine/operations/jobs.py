"""Requests and results about long-running work."""

from __future__ import annotations

import enum

from hippod.engine.operations.base import Operation, Result


class JobStatus(enum.StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class GetJob(Operation, frozen=True, tag="get_job"):
    is_read = True
    job: str


class ListJobs(Operation, frozen=True, tag="list_jobs"):
    is_read = True


class CancelJob(Operation, frozen=True, tag="cancel_job"):
    """Ask a running job to stop; a finished one is forgotten."""

    job: str


class JobInfo(Result, frozen=True):
    """`id` is 32 hex digits; `progress` from 0.0 to 1.0; times are seconds since the epoch (`ended` None while it runs)."""

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


class JobList(Result, frozen=True):
    jobs: list[JobInfo]
