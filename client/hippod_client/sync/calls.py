"""What the methods of the blocking client, which are in one file a noun, are made with."""

from __future__ import annotations

import time
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
    def _call(self, request: Request[T], timeout: Timeout) -> T:
        """Send a request and read its reply."""

    def _job(self, request: Request[JobInfo], wait: bool, progress: Progress | None, timeout: float | None) -> JobInfo:
        """Begin a job and, with `wait`, look after it until it has ended."""
        job = self._call(request, DEFAULT)
        until = None if timeout is None else time.monotonic() + timeout
        pause = JOB_POLL_FIRST_S
        while wait:
            if progress is not None:
                progress(job)
            if job.has_ended:
                return succeeded(job)
            if until is not None and time.monotonic() + pause > until:
                raise still_running(job)
            time.sleep(pause)
            pause = min(JOB_POLL_MAX_S, pause * 1.5)
            job = self._call(requests.get_job(job.id), DEFAULT)
        return job
