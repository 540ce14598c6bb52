"""The search pool: the few threads in which exact searches and other work over big arrays run, so that the event loop never does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class SearchPool:
    """Owned by the engine, which closes it after all indexes. What runs here is numpy on big arrays, which releases the interpreter."""

    def __init__(self, threads: int = 2) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="search")

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Run `work` in a thread; called on the event loop, where the future completes."""
        loop = asyncio.get_running_loop()
        if kwargs:
            return loop.run_in_executor(self._executor, lambda: work(*args, **kwargs))
        return loop.run_in_executor(self._executor, work, *args)

    def close(self) -> None:
        """Wait for what runs and drop what waits."""
        self._executor.shutdown(wait=True, cancel_futures=True)
