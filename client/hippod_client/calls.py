"""What calls of both clients have in common: time-outs, repetition, and waiting for jobs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from hippod_client.errors import ClientTimeout
from hippod_client.results import JobInfo

Progress = Callable[[JobInfo], None]

DEFAULT_TIMEOUT_S: Final = 30.0
JOB_POLL_FIRST_S: Final = 0.01
JOB_POLL_MAX_S: Final = 0.25
# Without a time-out a call that may be repeated is given up after so many lost connections.
ATTEMPTS_MAX: Final = 10
_BACKOFF_FIRST_S: Final = 0.05
_BACKOFF_MAX_S: Final = 2.0


class _Default:
    """The type of `DEFAULT`: a time-out that was not given, which is the client's own (None would be no limit)."""


DEFAULT: Final = _Default()
Timeout = float | None | _Default


def seconds_of(timeout: Timeout, usual: float | None) -> float | None:
    """The seconds that a call has; `usual` where none were given."""
    return usual if isinstance(timeout, _Default) else timeout


def backoff_s(attempt: int) -> float:
    """How long to wait before attempt number `attempt` (from 1) to connect again: doubling, spread so that clients do not come together."""
    return min(_BACKOFF_MAX_S, _BACKOFF_FIRST_S * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)


def still_running(job: JobInfo) -> ClientTimeout:
    """What a caller gets who waits no longer for a job."""
    return ClientTimeout(f"{job.action} of {job.index!r} goes on: {job.progress:.0%} {job.stage}; its job is {job.id}")
