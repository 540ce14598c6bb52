"""One generation of a trained index: a host process, the searches it answers and the changes it is told.

A generation begins with a snapshot (the slots it trained over or was saved with), then catches up: the difference
between the snapshot and the rows of now is sent while changes of the meantime are held back, and from then on every
change is sent as it happens. The socket keeps the order, so a search sees every change that was published before it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from hippod.engine.index.exact import Hits, Mask
from hippod.engine.index.host_process import HostLost, HostProcess
from hippod.engine.index.known_filters import ToldFilters
from hippod.engine.index.lane import Batch, Lane, Search
from hippod.engine.index.look_out import LoopLookOut
from hippod.engine.index.options import IndexOptions
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.protocol import UNRESTRICTED, Kind, Restriction
from hippod.engine.index.recipe import Recipe
from hippod.engine.index.rows import RowSource
from hippod.engine.index.vectors import Slots

_BATCHES_MAX: Final = 1 << 20
_WATCH_S: Final = 5.0
_FRESH_ROWS_FEW: Final = 4_096
_ABSORB_LOOK_S: Final = 0.1
_ABSORB_LOOKS_MAX: Final = 600
# At so many times the rows of its training an index is not what would be built for them.
GROWTH: Final = 4
# For some efforts of a graph, how many times as much as its rows it misses of queries that it has not seen.
Misses = tuple[tuple[int, float], ...]


class Generation:
    """Owned by a VectorIndex, on the event loop.

    trained_rows, removed_rows: rows at its training, and how many have died since; changed_rows: changes since it was saved
    training: the identity of its training; effort_max: from this effort on, exact search is the better way
    deliver: gets the answers of a batch; give_up: gets the searches that the host could not answer; on_lost: the host died.
    """

    def __init__(
        self,
        host: HostProcess,
        recipe: Recipe,
        trained_rows: int,
        removed_rows: int,
        training: str,
        options: IndexOptions,
        deliver: Callable[[Batch, Hits], None],
        give_up: Callable[[list[Search]], None],
    ) -> None:
        self.host = host
        self.recipe = recipe
        self.trained_rows = trained_rows
        self.effort_max = recipe.effort_max(trained_rows)
        self.removed_rows = removed_rows
        self.training = training
        self.misses: Misses = ()
        self.changed_rows = 0
        self.is_lost = False
        self.on_lost: Callable[[Generation], None] = lambda _generation: None
        self._deliver = deliver
        self._give_up = give_up
        self._stall_s = options.host_stall_s
        self._loop = asyncio.get_running_loop()
        self._in_flight: dict[int, Batch] = {}
        self._idents = itertools.count(1)
        self._answered_at = 0.0
        self._look_out = LoopLookOut()
        self._watch: asyncio.TimerHandle | None = None
        self._told = ToldFilters()
        self._held: list[tuple[int, int] | Slots] | None = None
        self.lane = Lane(
            self._start, batches_max=_BATCHES_MAX, queries_max=options.host_queries_max, waiting_max=options.waiting_queries_max
        )
        host.on_found = self._found
        host.on_lost = self._lost

    async def catch_up(self, rows: RowSource, pool: SearchPool, positions: Slots) -> None:
        """Tell the host, which holds the slots `positions` (-1: none), of all between them and now, and of every change
        from now on; give it a while to absorb a lot. Raises HostLost."""
        self._held = []
        try:
            gone, missing = await pool.run(_difference, positions, rows.alive_now)
            await self.host.send_slots(Kind.REMOVE, gone)
            await self.host.send_slots(Kind.ADD, missing)
            self.removed_rows += len(gone)
            self.changed_rows += len(gone) + len(missing)
        except BaseException:
            self._held = None
            raise
        held, self._held = self._held, None
        for change in held:
            if isinstance(change, tuple):
                self.rows_added(*change)
            else:
                self.rows_removed(change)
        await self._absorbed(_FRESH_ROWS_FEW)

    async def absorb(self, slots: Slots) -> None:
        """Have the index take in living rows that its training left out, before it catches up. Raises HostLost."""
        await self.host.send_slots(Kind.ADD, slots)
        await self._absorbed(0)

    async def _absorbed(self, fresh_max: int) -> None:
        for _ in range(_ABSORB_LOOKS_MAX):
            if (await self.host.count())[1] <= fresh_max:
                break
            await asyncio.sleep(_ABSORB_LOOK_S)

    def rows_added(self, first_slot: int, count: int) -> None:
        if self._held is not None:
            self._held.append((first_slot, count))
        elif not self.is_lost:
            self.changed_rows += count
            self._tell(lambda: self.host.add_range(first_slot, count))

    def rows_removed(self, slots: Slots) -> None:
        if self._held is not None:
            self._held.append(slots)
        elif not self.is_lost:
            self.removed_rows += len(slots)
            self.changed_rows += len(slots)
            self._tell(lambda: self.host.send_now(Kind.REMOVE, slots))

    def search(self, search: Search, *, accepted: bool = False) -> None:
        """Answer the search, which has a tuning, with its like. Raises RetryLater if too much waits, unless it was `accepted` before."""
        search.key = (search.k, search.tuning, search.depth, 0 if search.matches is None else search.matches.ident)
        (self.lane.resubmit if accepted else self.lane.submit)(search)

    def is_outgrown(self, live_count: int, deletion_share_max: float) -> bool:
        """Whether so much changed since it was trained that training again pays: many died, which are masked or whose places were
        refilled by rows that it was not trained for; or it has far more rows than its leaves were made for."""
        return (
            self.removed_rows > deletion_share_max * self.trained_rows
            or self.host.fresh_rows > self.trained_rows / 2
            or live_count >= GROWTH * self.trained_rows
        )

    async def retire(self) -> None:
        """Answer what is under way, then end the host."""
        await self.lane.drained()
        await self.close()

    async def close(self) -> None:
        """End the host now; what is under way is given up."""
        self._stop_watch()
        await self.host.close()

    def _tell(self, send: Callable[[], None]) -> None:
        """A host that is going may miss changes: it never answers again."""
        try:
            send()
        except HostLost:
            self.host.kill()

    def _start(self, batch: Batch) -> None:
        ident = next(self._idents) & 0xFFFFFFFF
        self._in_flight[ident] = batch
        first = batch.searches[0]
        assert first.tuning is not None
        self._look_out.sent(alone=batch.rows == 1 and len(self._in_flight) == 1)
        effort, reorder = first.tuning
        if self._watch is None:
            self._answered_at = time.monotonic()
            self._watch = self._loop.call_later(_WATCH_S, self._look)
        queries, restriction = [search.queries for search in batch.searches], UNRESTRICTED
        try:
            if first.matches is not None:
                # Searches with one filter may stand at several versions of the table; the newest tells most.
                newest = max((search.matches for search in batch.searches if search.matches is not None), key=lambda m: len(m.mask))
                self.host.tell(self._told.news(newest))
                restriction = Restriction(max(first.depth, first.k), newest.ident)
            self.host.search(ident, batch.rows, first.k, effort, max(reorder, first.k, first.depth), queries, restriction)
        except HostLost:
            self.host.kill()

    def _found(self, ident: int, hits: Hits, short: bool) -> None:
        self._look_out.answered(alone=len(self._in_flight) == 1)
        batch = self._in_flight.pop(ident)
        self._answered_at = time.monotonic()
        self.lane.release(batch)
        if short:
            self._give_up(batch.searches)
        else:
            self._deliver(batch, hits)

    def _look(self) -> None:
        """End a host that has searches and has not answered any for too long."""
        self._watch = None
        if not self._in_flight:
            return
        if time.monotonic() - self._answered_at > self._stall_s:
            self.host.kill()
        else:
            self._watch = self._loop.call_later(_WATCH_S, self._look)

    def _stop_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _lost(self) -> None:
        self.is_lost = True
        self._stop_watch()
        searches = [search for batch in self._in_flight.values() for search in batch.searches]
        for batch in self._in_flight.values():
            self.lane.release(batch)
        self._in_flight.clear()
        searches += self.lane.abandon()
        self._give_up(searches)
        self.on_lost(self)


def _difference(positions: Slots, alive: Mask) -> tuple[Slots, Slots]:
    """The slots held that are dead, and the living that are not held."""
    held = np.zeros(len(alive), np.bool_)
    held[positions[positions >= 0]] = True
    return np.flatnonzero(held & ~alive), np.flatnonzero(alive & ~held)
