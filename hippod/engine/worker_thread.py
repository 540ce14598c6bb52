"""A thread that does one thing after the other for the event loop, handed over and back with as little as that takes.

The writer hands over some thousand groups a second: the futures, locks and work items of an executor would cost as much as a few rows each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

_T = TypeVar("_T")


class WorkerThread:
    """Made and used on the event loop; `close` ends it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._work: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        # A process that ends without closing it, because it could not start, does not wait for it.
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], _T]) -> asyncio.Future[_T]:
        """Do `work` when all that came before is done; the future gets what it returns or raises."""
        future: asyncio.Future[_T] = self._loop.create_future()
        self._work.put((future, work))
        return future

    async def close(self) -> None:
        """Finish what was handed over, then end."""
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (handed := self._work.get()) is not None:
            future, work = handed
            try:
                outcome, error = work(), None
            except BaseException as raised:
                outcome, error = None, raised
            self._loop.call_soon_threadsafe(_complete, future, outcome, error)
            # Nothing of this work is kept while the next is waited for.
            del handed, future, work, outcome, error


def _complete(future: asyncio.Future[Any], outcome: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(outcome)
    else:
        future.set_exception(error)
