"""What is handed to a worker thread is done in order, and comes back to the event loop."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from hippod.engine.worker_thread import WorkerThread


async def test_work_is_done_in_order_in_one_other_thread() -> None:
    worker = WorkerThread("test")
    done: list[int] = []

    def work(number: int) -> int:
        done.append(number)
        return threading.get_ident()

    threads = await asyncio.gather(*(worker.do(partial(work, number)) for number in range(100)))
    await worker.close()
    assert done == list(range(100))
    assert set(threads) == {threads[0]} != {threading.get_ident()}


async def test_what_the_work_raises_is_raised_to_who_waits() -> None:
    worker = WorkerThread("test")
    with pytest.raises(ZeroDivisionError):
        await worker.do(lambda: 1 // 0)
    assert await worker.do(lambda: "still there") == "still there"
    await worker.close()


async def test_work_goes_on_when_nobody_waits_for_it_and_closing_waits_for_all() -> None:
    worker = WorkerThread("test")
    allowed, done = threading.Event(), threading.Event()
    given_up = worker.do(lambda: allowed.wait(60))
    following = worker.do(done.set)
    given_up.cancel()
    assert not done.is_set()
    allowed.set()
    await worker.close()
    assert done.is_set()
    await following
