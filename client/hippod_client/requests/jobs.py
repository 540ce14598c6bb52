"""Long-running work."""

from __future__ import annotations

from hippod_client.errors import JobFailed
from hippod_client.requests.base import Reply, Request, done
from hippod_client.results import JobInfo


def get_job(job: str) -> Request[JobInfo]:
    return Request({"op": "get_job", "job": job}, JobInfo.of, is_read=True)


def list_jobs() -> Request[list[JobInfo]]:
    return Request({"op": "list_jobs"}, _jobs, is_read=True)


def cancel_job(job: str) -> Request[None]:
    return Request({"op": "cancel_job", "job": job}, done)


def _jobs(reply: Reply) -> list[JobInfo]:
    return list(map(JobInfo.of, reply["jobs"]))


def succeeded(job: JobInfo) -> JobInfo:
    """A job that has ended well; JobFailed for any other end."""
    if job.status != "succeeded":
        raise JobFailed(f"{job.action} of {job.index!r} on {job.table!r} {job.status}: {job.error}", {"job": job.id, "status": job.status})
    return job
