"""The part of an index that answers exactly: it batches searches into the search pool, straight from the vector files.

It is always there: alone for FLAT, for small tables and while an index trains, beside a host for filtered searches and
for whatever a host could not answer. Runs on the event loop; the products run in the pool's threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from hippod.engine.index.exact import Hits
from hippod.engine.index.exact_kinds import exact_search
from hippod.engine.index.lane import Batch, Lane, Search
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.rows import RowSource
from hippod.engine.operations.indexes import Metric

_QUERIES_MAX: Final = 1 << 20


class ExactPart:
    """Owned by a VectorIndex. `deliver` gets the answers of a batch, `fail` an error that ends it; `scorer` does the work, in the pool."""

    def __init__(
        self,
        rows: RowSource,
        metric: Metric,
        pool: SearchPool,
        waiting_max: int,
        deliver: Callable[[Batch, Hits], None],
        fail: Callable[[Batch, BaseException], None],
    ) -> None:
        self._rows = rows
        self._pool = pool
        self.scorer = exact_search(rows.vectors, metric)
        self._deliver = deliver
        self._fail = fail
        self.lane = Lane(self._start, batches_max=self.scorer.threads_max, queries_max=_QUERIES_MAX, waiting_max=waiting_max)

    def search(self, search: Search, *, accepted: bool = False) -> None:
        """Answer the search. Raises RetryLater if too much waits, unless it was `accepted` before."""
        search.key = (search.k, id(search.among) if search.among is not None else 0)
        (self.lane.resubmit if accepted else self.lane.submit)(search)

    def _start(self, batch: Batch) -> None:
        rows, first = self._rows, batch.searches[0]
        # As they are now: rows that are replaced while it computes must be found as they were, and asked for again, not be missed.
        alive = rows.alive_now if first.among is not None or rows.live_count < rows.count else None
        answer = self._pool.run(self.scorer.search, rows.count, batch.queries(), first.k, first.among, alive)
        answer.add_done_callback(lambda done: self._finish(batch, done))

    def _finish(self, batch: Batch, done: asyncio.Future[Hits]) -> None:
        self.lane.release(batch)
        if done.cancelled():
            self._fail(batch, asyncio.CancelledError())
        elif (error := done.exception()) is not None:
            self._fail(batch, error)
        else:
            self._deliver(batch, done.result())
