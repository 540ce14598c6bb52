"""One vector index of one tablet: its life from definition to release, kept up to date by every write, and its searches.

    CREATED -> activate -> (BUILDING ->) ACTIVE <-> RELEASED

Every answer passes `_deliver` on the event loop, which drops rows that died while the search ran and asks again where
that left too few: a dead slot is never returned, and fewer than k rows come back only if fewer than k live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from hippod.engine.index.exact import Hits
from hippod.engine.index.exact_part import ExactPart, exact_search
from hippod.engine.index.hosts import HostPool
from hippod.engine.index.lane import Batch, Search
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.rows import RowSource
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.vectors import Slots, Vectors
from hippod.engine.operations.indexes import IndexState
from hippod.errors import WrongState

Progress = Callable[[float, str], None]

_QUERIES_PER_SEARCH: Final = 256


class IndexDescription(msgspec.Struct, frozen=True):
    """`engine`: what answers now, for people; `vectors` in the trained part, `fresh` searched exactly beside it."""

    state: IndexState
    engine: str
    vectors: int
    fresh: int
    memory_bytes: int


class VectorIndex:
    """Owned by a tablet and used on the event loop only; `close` or `drop` ends it. `directory` holds its saved files."""

    def __init__(self, spec: IndexSpec, rows: RowSource, hosts: HostPool, directory: Path, pool: SearchPool) -> None:
        self.spec = spec
        self.state = IndexState.CREATED
        self._rows = rows
        self._hosts = hosts
        self._directory = directory
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._exact = ExactPart(rows, spec.metric, pool, hosts.options.waiting_queries_max, self._deliver, _fail)

    async def activate(self, progress: Progress) -> None:
        """Build the index over the living rows. Cancelling it leaves the index as it was."""
        self.state = IndexState.ACTIVE
        progress(1.0, "exact")

    async def rebuild(self, progress: Progress) -> None:
        """Train again; the index answers meanwhile as before. Raises WrongState unless it is active."""
        progress(1.0, "exact")

    async def load(self, progress: Progress) -> None:
        """Bring an index that was active into memory again: from its saved files if they hold, else trained in the background."""
        self.state = IndexState.ACTIVE
        progress(1.0, "exact")

    async def release(self) -> None:
        """Take the index out of memory; searches raise WrongState until it is loaded."""
        self.state = IndexState.RELEASED

    async def close(self, save: bool) -> None:
        """End the index with the server; `save`: keep on disk what its trained part has learned since it was saved."""

    def drop(self) -> None:
        """End the index and remove its files."""

    def rows_added(self, first_slot: int, count: int) -> None:
        """Slots first_slot.. were published: from now on every search finds them."""

    def rows_removed(self, slots: Slots) -> None:
        """These slots died: from now on no search returns them."""

    def search(self, queries: Vectors, k: int, params: Mapping[str, Any]) -> asyncio.Future[Hits]:
        """The k nearest living rows of each query (nq, dimension), float32, C order. Raises WrongState, Rejected or RetryLater."""
        self._check_searchable()
        self.spec.check_search(params, k)
        return self._submit_parts(queries, k, None)

    def search_among(self, queries: Vectors, k: int, slots: Slots) -> asyncio.Future[Hits]:
        """The k nearest of the living among `slots`, exactly. `slots` must not change before the answer."""
        self._check_searchable()
        return self._submit_parts(queries, k, slots)

    def describe(self) -> IndexDescription:
        return IndexDescription(self.state, "exact", 0, 0, 0)

    def _check_searchable(self) -> None:
        if self.state is IndexState.CREATED:
            raise WrongState("the index is not active: activate_index first", state=self.state)
        if self.state is IndexState.RELEASED:
            raise WrongState("the index is released: load_index first", state=self.state)

    def _submit_parts(self, queries: Vectors, k: int, among: Slots | None) -> asyncio.Future[Hits]:
        """Submit a search, a long one in parts, so that others get their turn between them."""
        if len(queries) <= _QUERIES_PER_SEARCH:
            return self._submit(queries, k, among)
        parts = [self._submit(queries[at : at + _QUERIES_PER_SEARCH], k, among) for at in range(0, len(queries), _QUERIES_PER_SEARCH)]
        return asyncio.ensure_future(_join(parts))

    def _submit(self, queries: Vectors, k: int, among: Slots | None) -> asyncio.Future[Hits]:
        future: asyncio.Future[Hits] = self._loop.create_future()
        self._exact.lane.submit(exact_search(Search(queries, k, k, (), future, among)))
        return future

    def _deliver(self, batch: Batch, hits: Hits) -> None:
        """Give every search of the batch its share of the answers, which lie one behind the other."""
        alive = self._rows.alive
        if not (len(alive) and alive[hits.slots].all()):
            self._deliver_living(batch, hits)
            return
        at = 0
        for search in batch.searches:
            stop = at + search.rows
            if not search.future.done():
                search.future.set_result(_cut(hits, at, stop, search.k))
            at = stop

    def _deliver_living(self, batch: Batch, hits: Hits) -> None:
        """As `_deliver`, where rows may have died since they were found: ask again, for more, if too few are left."""
        at = 0
        for search in batch.searches:
            part = _cut(hits, at, at + search.rows, search.fetch)
            at += search.rows
            if search.future.done():
                continue
            living = _living(part, self._rows.alive)
            lost = (living.counts < np.minimum(part.counts, search.k)).any()
            if lost and self.state in (IndexState.ACTIVE, IndexState.BUILDING):
                search.fetch = search.fetch * 2 + 16
                search.attempts += 1
                self._exact.lane.resubmit(exact_search(search))
            else:
                search.future.set_result(_cut(living, 0, search.rows, search.k))


def _fail(batch: Batch, error: BaseException) -> None:
    for search in batch.searches:
        if not search.future.done():
            if isinstance(error, asyncio.CancelledError):
                search.future.cancel()
            else:
                search.future.set_exception(error)


def _cut(hits: Hits, start: int, stop: int, k: int) -> Hits:
    if hits.slots.shape[1] == k:
        return Hits(hits.slots[start:stop], hits.scores[start:stop], hits.counts[start:stop])
    return Hits(hits.slots[start:stop, :k], hits.scores[start:stop, :k], np.minimum(hits.counts[start:stop], k))


def _living(hits: Hits, alive: np.ndarray[Any, np.dtype[np.bool_]]) -> Hits:
    """The hits without dead rows, the living moved up in order."""
    width = hits.slots.shape[1]
    kept = (
        (np.arange(width) < hits.counts[:, None]) & alive[np.minimum(hits.slots, max(0, len(alive) - 1))]
        if len(alive)
        else np.zeros(hits.slots.shape, np.bool_)
    )
    order = np.argsort(~kept, axis=1, kind="stable")
    return Hits(np.take_along_axis(hits.slots, order, 1), np.take_along_axis(hits.scores, order, 1), kept.sum(axis=1).astype(np.int32))


async def _join(parts: list[asyncio.Future[Hits]]) -> Hits:
    done = await asyncio.gather(*parts)
    return Hits(*(np.concatenate(column) for column in zip(*done, strict=True)))
