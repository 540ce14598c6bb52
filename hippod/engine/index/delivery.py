"""Answers on their way out of an index: each search gets its share of a batch.

An answer is of the moment when its batch began. Rows of it that died since may have been replaced by rows that it does not know: just
to leave them out would lose a row that was there all the time. So a search that lost rows is asked again. Where rows die as quickly as
they are found, the second answer stands as it is: the rows of one moment, between the arrival of the search and its answer.
"""

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

    `ask_again` gets a search whose answer has rows that died meanwhile.
    """

    def __init__(self, rows: RowSource, ask_again: Callable[[Search], None]) -> None:
        self._rows = rows
        self._ask_again = ask_again

    def deliver(self, batch: Batch, hits: Hits) -> None:
        """Give every search of the batch its share of the answers, which lie one behind the other."""
        alive = self._rows.alive
        if not (len(alive) and alive[hits.slots].all()):
            self._deliver_changed(batch, hits, alive)
            return
        at = 0
        for search in batch.searches:
            stop = at + search.rows
            search.answer(_cut(hits, at, stop, search.k))
            at = stop

    def _deliver_changed(self, batch: Batch, hits: Hits, alive: Mask) -> None:
        at = 0
        for search in batch.searches:
            part = _cut(hits, at, at + search.rows, search.k)
            at += search.rows
            if search.future.done():
                continue
            if search.was_asked_again or _are_alive(part, alive):
                search.answer(part)
            else:
                search.was_asked_again = True
                self._ask_again(search)


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


def _are_alive(hits: Hits, alive: Mask) -> bool:
    found = np.arange(hits.slots.shape[1]) < hits.counts[:, None]
    return bool(alive[hits.slots[found]].all())
