"""The asyncio client: one method an operation, over one connection that is renewed when it is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from hippod_client import requests
from hippod_client.connection import Connection, open_connection
from hippod_client.errors import ClientTimeout, ConnectionLost, HippodError, RetryLater
from hippod_client.requests.base import Request
from hippod_client.requests.jobs import succeeded
from hippod_client.results import IndexInfo, JobInfo, Rows, SearchResult, StatusInfo, TableInfo, WriteResult
from hippod_client.schema import Field

T = TypeVar("T")
Progress = Callable[[JobInfo], None]

DEFAULT_TIMEOUT_S: Final = 30.0
JOB_POLL_S: Final = 0.25
_BACKOFF_FIRST_S: Final = 0.05
_BACKOFF_MAX_S: Final = 2.0


class _Default:
    """The type of `DEFAULT`: a time-out that was not given, which is the client's own (None would be no limit)."""


DEFAULT: Final = _Default()
Timeout = float | None | _Default


def backoff_s(attempt: int) -> float:
    """How long to wait before attempt number `attempt` (from 1) to connect again: doubling, spread so that clients do not come together."""
    return min(_BACKOFF_MAX_S, _BACKOFF_FIRST_S * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)
