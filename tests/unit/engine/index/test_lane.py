"""What a lane hands to its backend, and when."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from hippod.engine.index.lane import Batch, Lane, Search
from hippod.engine.index.protocol import BATCH_QUERIES_MAX
from hippod.errors import RetryLater


class Backend:
    """A lane whose batches are answered when the test says so."""

    def __init__(self, queries_max: int) -> None:
        self.batches: list[Batch] = []
        self.lane = Lane(self.batches.append, batches_max=100, queries_max=queries_max, waiting_max=1_000)

    def submit(self, rows: int) -> None:
        search = Search(np.zeros((rows, 4), np.float32), 10, asyncio.get_running_loop().create_future(), None)
        self.lane.submit(search)

    async def turn(self) -> list[int]:
        """The queries of each batch with the backend, after one turn of the loop."""
        await asyncio.sleep(0)
        return [batch.rows for batch in self.batches]

    def finish_first(self) -> None:
        self.lane.release(self.batches.pop(0))


async def test_a_backend_has_its_next_batch_however_large_they_are() -> None:
    backend = Backend(queries_max=64)
    for _ in range(4):
        backend.submit(100)
    assert await backend.turn() == [100, 100]
    backend.finish_first()
    assert await backend.turn() == [100, 100]
    backend.finish_first()
    backend.finish_first()
    assert await backend.turn() == [100]


async def test_small_searches_share_batches_up_to_the_queries_that_a_backend_may_have() -> None:
    backend = Backend(queries_max=3 * BATCH_QUERIES_MAX)
    for _ in range(5 * BATCH_QUERIES_MAX):
        backend.submit(1)
    assert await backend.turn() == [1, BATCH_QUERIES_MAX, BATCH_QUERIES_MAX, BATCH_QUERIES_MAX]
    backend.finish_first()
    assert await backend.turn() == [BATCH_QUERIES_MAX] * 3


async def test_a_lone_search_goes_at_once_and_those_of_one_turn_go_together_once_there_are_several() -> None:
    backend = Backend(queries_max=64)
    for _ in range(2):
        backend.submit(1)
        assert len(backend.batches) == 1
        backend.finish_first()
    for _ in range(3):
        backend.submit(1)
    assert await backend.turn() == [1, 2]
    for _ in range(2):
        backend.finish_first()
    for _ in range(3):
        backend.submit(1)
    assert not backend.batches
    assert await backend.turn() == [3]
    backend.finish_first()
    backend.submit(1)
    assert await backend.turn() == [1]
    backend.finish_first()
    backend.submit(1)
    assert len(backend.batches) == 1


async def test_what_waits_beyond_the_limit_is_told_to_come_again() -> None:
    backend = Backend(queries_max=64)
    for _ in range(11):
        backend.submit(100)
    with pytest.raises(RetryLater, match="1000 queries wait"):
        backend.submit(1)
