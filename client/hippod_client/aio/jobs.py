"""Jobs: what takes longer than a request."""

from __future__ import annotations

from hippod_client import requests
from hippod_client.aio.calls import Calls
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.results import JobInfo


class JobMethods(Calls):
    """Part of `Client`."""

    async def get_job(self, job: str, *, timeout: Timeout = DEFAULT) -> JobInfo:
        """The state of a job by its id. Raises JobNotFound."""
        return await self._call(requests.get_job(job), timeout)

    async def list_jobs(self, *, timeout: Timeout = DEFAULT) -> list[JobInfo]:
        """The jobs that run and those that ended lately."""
        return await self._call(requests.list_jobs(), timeout)

    async def cancel_job(self, job: str, *, timeout: Timeout = DEFAULT) -> None:
        """Stop a running job and wait for its end; forget one that has ended. Raises JobNotFound."""
        await self._call(requests.cancel_job(job), timeout)
