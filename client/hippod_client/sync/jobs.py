"""Jobs: what takes longer than a request."""

from __future__ import annotations

from hippod_client import requests
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.results import JobInfo
from hippod_client.sync.calls import Calls


class JobMethods(Calls):
    """Part of `Client`."""

    def get_job(self, job: str, *, timeout: Timeout = DEFAULT) -> JobInfo:
        return self._call(requests.get_job(job), timeout)

    def list_jobs(self, *, timeout: Timeout = DEFAULT) -> list[JobInfo]:
        return self._call(requests.list_jobs(), timeout)

    def cancel_job(self, job: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.cancel_job(job), timeout)
