"""The lane of one index: it gathers waiting searches of the same kind into batches and keeps its backend busy, never flooded.

There is no timer. While searches come one by one, each goes to the idle backend at once. While several are under way, those that arrive
in one turn of the event loop leave together at its end: of 16 clients, a third of all batches was the first search of a turn alone. While
the backend has all it may hold, what arrives waits here and the next batch grows by itself.

A lane runs on the event loop. `start` hands a batch to the backend, which says `finish` or `release` when it is through.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Final

from hippod.engine.arrays import concat_values
from hippod.engine.index.exact import Hits
from hippod.engine.index.matches import Matches
from hippod.engine.index.protocol import BATCH_QUERIES_MAX
from hippod.engine.index.spec import Tuning
from hippod.engine.index.vectors import Queries, Slots
from hippod.errors import RetryLater

# However many queries a batch has, the backend has the next one when it is through with it.
_BATCHES_MIN: Final = 2


class Search:
    """One waiting search for k rows per query: of all, tuned as `tuning` says (None: exactly), or of the slots `among`. Where it is tuned
    and has `matches`, the k rows are those of them within the `depth` nearest of all; `among` are then their slots, to search exactly.

    Only searches with equal `key` share a batch. The future gets what `finish` makes of the hits.
    """

    __slots__ = ("among", "depth", "finish", "future", "k", "key", "matches", "queries", "rows", "tuning", "was_asked_again")

    def __init__(
        self,
        queries: Queries,
        k: int,
        future: asyncio.Future[Any],
        tuning: Tuning | None,
        among: Slots | None = None,
        finish: Callable[[Hits], Any] | None = None,
        matches: Matches | None = None,
        depth: int = 0,
    ) -> None:
        self.queries: Any = queries
        self.rows = len(queries)
        self.k = k
        self.key: Hashable = None
        self.future = future
        self.among = among if matches is None else matches.slots
        self.matches = matches
        self.depth = depth
        self.tuning = tuning
        self.finish = finish
        self.was_asked_again = False

    def answer(self, hits: Hits) -> None:
        """Complete the future, unless nobody waits for it any more."""
        if self.future.done():
            return
        if self.finish is None:
            self.future.set_result(hits)
            return
        try:
            self.future.set_result(self.finish(hits))
        except Exception as error:
            self.future.set_exception(error)


class Batch:
    """Searches with one key that the backend answers together; `rows` queries in all."""

    __slots__ = ("rows", "searches")

    def __init__(self) -> None:
        self.searches: list[Search] = []
        self.rows = 0

    def queries(self) -> Any:
        """The `Queries` of all, one behind the other."""
        return concat_values([search.queries for search in self.searches])


class Lane:
    """Owned by a VectorIndex. At most `batches_max` batches are with the backend, and about `queries_max` queries or two batches."""

    def __init__(self, start: Callable[[Batch], None], *, batches_max: int, queries_max: int, waiting_max: int) -> None:
        self._start = start
        self._batches_max = batches_max
        self._queries_max = queries_max
        self._waiting_max = waiting_max
        self._waiting: dict[Hashable, deque[Search]] = {}
        self._waiting_queries = 0
        self._batches = 0
        self._queries = 0
        self._scheduled = False
        self._came_alone = True
        self._drained: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def is_idle(self) -> bool:
        return not (self._waiting or self._batches)

    def submit(self, search: Search) -> None:
        """Take a search. Raises RetryLater if too many queries wait already."""
        if self._waiting_queries + search.rows > self._waiting_max and self._waiting_queries:
            raise RetryLater(f"{self._waiting_queries} queries wait for this index already; try again", waiting=self._waiting_queries)
        self.resubmit(search)

    def resubmit(self, search: Search) -> None:
        """Take a search that was accepted before, whatever waits."""
        waiting = self._waiting.get(search.key)
        if waiting is None:
            waiting = self._waiting[search.key] = deque()
        waiting.append(search)
        self._waiting_queries += search.rows
        if self._scheduled or not self._has_room():
            return
        if self._batches or not self._came_alone:
            self._scheduled = True
            self._loop.call_soon(self._flush)
        else:
            self._flush()

    def release(self, batch: Batch) -> None:
        """The backend is through with the batch: the next may go."""
        self._batches -= 1
        self._queries -= batch.rows
        if self._drained is not None and self.is_idle and not self._drained.done():
            self._drained.set_result(None)
        if self._waiting and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    async def drained(self) -> None:
        """Wait until nothing waits and nothing is with the backend."""
        if not self.is_idle:
            self._drained = self._loop.create_future()
            await self._drained

    def abandon(self) -> list[Search]:
        """Give up all searches that wait; those with the backend are its own to give up."""
        given_up = [search for waiting in self._waiting.values() for search in waiting]
        self._waiting.clear()
        self._waiting_queries = 0
        return given_up

    def _has_room(self) -> bool:
        return self._batches < self._batches_max and (self._queries < self._queries_max or self._batches < _BATCHES_MIN)

    def _flush(self) -> None:
        self._scheduled = False
        while self._waiting and self._has_room():
            batch = self._gather()
            if not batch.searches:
                continue
            self._came_alone = not self._batches and len(batch.searches) == 1
            self._batches += 1
            self._queries += batch.rows
            self._start(batch)

    def _gather(self) -> Batch:
        """The next batch, of the kind that waits longest; a kind with more than fits goes to the end of the line."""
        key, waiting = next(iter(self._waiting.items()))
        batch = Batch()
        while waiting and (not batch.rows or batch.rows + waiting[0].rows <= BATCH_QUERIES_MAX):
            search = waiting.popleft()
            self._waiting_queries -= search.rows
            if not search.future.done():
                batch.searches.append(search)
                batch.rows += search.rows
        del self._waiting[key]
        if waiting:
            self._waiting[key] = waiting
        return batch
