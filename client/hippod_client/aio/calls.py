"""What the methods of the asyncio client, which are in one file a noun, are made with."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TypeVar

from hippod_client import requests
from hippod_client.calls import DEFAULT, JOB_POLL_FIRST_S, JOB_POLL_MAX_S, Progress, Timeout, still_running
from hippod_client.requests.base import Request
from hippod_client.requests.jobs import succeeded
from hippod_client.results import JobInfo

T = TypeVar("T")


class Calls(ABC):
    """Part of `Client`, which sends the requests."""

    database: str

    @abstractmethod
    async def _call(self, request: Request[T], timeout: Timeout) -> T:
        """Send a request and read its reply."""

    async def _job(self, request: Request[JobInfo], wait: bool, progress: Progress | None, timeout: float | None) -> JobInfo:
        """Begin a job and, with `wait`, look after it until it has ended."""
        job = await self._call(request, DEFAULT)
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        pause = JOB_POLL_FIRST_S
        while wait:
            if progress is not None:
                progress(job)
            if job.has_ended:
                return succeeded(job)
            if until is not None and loop.time() + pause > until:
                raise still_running(job)
            await asyncio.sleep(pause)
            pause = min(JOB_POLL_MAX_S, pause * 1.5)
            job = await self._call(requests.get_job(job.id), DEFAULT)
        return job
