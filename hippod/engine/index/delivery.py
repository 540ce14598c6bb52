"""Answers on their way out of an index: each search gets its share of a batch, and no row that died in the meantime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import numpy as np

from hippod.engine.index.exact import Hits, Mask
from hippod.engine.index.lane import Batch, Search
from hippod.engine.index.rows import RowSource

QUERIES_PER_PART: Final = 256


class Delivery:
    """Runs on the event loop, where rows are published and killed, so what it has checked holds when a search gets it.

    `ask_again` gets a search that lost rows it could have had: it wants more of them now.
    """

    def __init__(self, rows: RowSource, ask_again: Callable[[Search], None]) -> None:
        self._rows = rows
        self._ask_again = ask_again

    def deliver(self, batch: Batch, hits: Hits) -> None:
        """Give every search of the batch its share of the answers, which lie one behind the other."""
        alive = self._rows.alive
        if not (len(alive) and alive[hits.slots].all()):
            self._deliver_living(batch, hits, alive)
            return
        at = 0
        for search in batch.searches:
            stop = at + search.rows
            search.answer(_cut(hits, at, stop, search.k))
            at = stop

    def _deliver_living(self, batch: Batch, hits: Hits, alive: Mask) -> None:
        at = 0
        for search in batch.searches:
            part = _cut(hits, at, at + search.rows, search.fetch)
            at += search.rows
            if search.future.done():
                continue
            living = _living(part, alive)
            if (living.counts < np.minimum(part.counts, search.k)).any():
                search.fetch = search.fetch * 2 + 16
                self._ask_again(search)
            else:
                search.answer(_cut(living, 0, search.rows, search.k))


def fail(batch: Batch, error: BaseException) -> None:
    """End every search of the batch with the error."""
    for search in batch.searches:
        if search.future.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            search.future.cancel()
        else:
            search.future.set_exception(error)


async def join(parts: list[asyncio.Future[Hits]]) -> Hits:
    """The answers of a search that went in parts."""
    try:
        done = await asyncio.gather(*parts)
    except BaseException:
        for part in parts:
            part.cancel()
        raise
    return Hits.joined(done)


def _cut(hits: Hits, start: int, stop: int, k: int) -> Hits:
    if hits.slots.shape[1] == k:
        return hits.part(start, stop)
    return Hits(hits.slots[start:stop, :k], hits.scores[start:stop, :k], np.minimum(hits.counts[start:stop], k))


def _living(hits: Hits, alive: Mask) -> Hits:
    """The hits without the dead, those behind moved up."""
    kept = np.arange(hits.slots.shape[1]) < hits.counts[:, None]
    kept[kept] = alive[hits.slots[kept]]
    order = np.argsort(~kept, axis=1, kind="stable")
    return Hits(np.take_along_axis(hits.slots, order, 1), np.take_along_axis(hits.scores, order, 1), kept.sum(axis=1).astype(np.int32))
