"""One vector index of one tablet: its life from definition to release, kept up to date by every write, and its searches.

    CREATED --activate--> BUILDING --> ACTIVE --release--> RELEASED --load--> ACTIVE

While BUILDING and ACTIVE it answers: from a trained generation in a host if there is one, else exactly. FLAT is always
exact; the rest is exact while there are few rows, while the first training runs, while a host that died is brought back,
while all hosts are taken, and where no engine for its type is installed. None of this loses a row or finds a dead one; it only
decides how fast the answer comes and how near it is to the exact one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from hippod.engine.index.builder import Progress, Show
from hippod.engine.index.delivery import QUERIES_PER_PART, Delivery, fail, join
from hippod.engine.index.exact import ExactSearch, Hits
from hippod.engine.index.exact_part import ExactPart
from hippod.engine.index.generation import Generation
from hippod.engine.index.generations import Generations
from hippod.engine.index.hosts import HostPool
from hippod.engine.index.lane import Search
from hippod.engine.index.matches import Matches
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.recall.curve import bucket_of, promised_recall
from hippod.engine.index.recall.keeper import RecallKeeper, RecallState
from hippod.engine.index.rows import RowSource
from hippod.engine.index.spec import IndexSpec, Tuning
from hippod.engine.index.vectors import Queries, Slots
from hippod.engine.operations.indexes import IndexState
from hippod.errors import WrongState

_EXACT_SHARE: Final = 4

T = TypeVar("T")


class IndexDescription(msgspec.Struct, frozen=True):
    """`engine` says what answers now, `building` what is built to take its place; `vectors` are in the trained part, each of which takes
    `bytes_per_vector`, `fresh` searched exactly beside it, `removed` died since it was trained."""

    state: IndexState
    engine: str
    vectors: int
    fresh: int
    memory_bytes: int
    removed: int
    building: str
    bytes_per_vector: float


class VectorIndex:
    """Owned by a tablet and used on the event loop only; `close` or `drop` ends it. `directory` holds its saved files alone."""

    def __init__(self, spec: IndexSpec, rows: RowSource, hosts: HostPool, directory: Path, pool: SearchPool, show: Show) -> None:
        self.spec = spec
        self.state = IndexState.CREATED
        self._is_activating = False
        self._rows = rows
        self._loop = asyncio.get_running_loop()
        delivery = Delivery(rows, self._ask_again)
        self._exact = ExactPart(rows, spec.metric, pool, hosts.options.waiting_queries_max, delivery.deliver, fail)
        self._recall = RecallKeeper(spec, rows, pool, directory, self._search_exactly, show)
        self._generations = Generations(
            spec, rows, hosts, directory, pool, delivery.deliver, self._give_up, self._recall.serve, self._recall.compare, show
        )

    def expect_activation(self) -> None:
        """Answer exactly from now on: `activate` follows when it is this index's turn."""
        if self.state is IndexState.CREATED:
            self.state = IndexState.BUILDING

    async def activate(self, progress: Progress) -> None:
        """Build the index over the living rows. Cancelled, or failing with Internal, it leaves the index as it was."""
        if self.state is IndexState.ACTIVE:
            progress(1.0, "active")
            return
        if self._is_activating:
            raise WrongState("the index is being built already", state=self.state)
        before, self.state, self._is_activating = self.state, IndexState.BUILDING, True
        try:
            await self._generations.build(progress)
        except BaseException:
            self.state = before
            await self._generations.stop(save=False)
            raise
        finally:
            self._is_activating = False
        self.state = IndexState.ACTIVE

    def begin(self) -> None:
        """Become active at once: exact until it has loaded or trained in the background."""
        self.state = IndexState.ACTIVE
        self._generations.begin()

    async def rebuild(self, progress: Progress) -> None:
        """Train again; the index answers meanwhile as before. Raises WrongState unless it is active, Internal if it fails."""
        self._check_active("rebuilt")
        await self._generations.build(progress)

    async def compact(self, progress: Progress) -> None:
        """Train again if rows died since the last time; raises as `rebuild`."""
        self._check_active("compacted")
        generation = self._generations.current
        if generation is not None and generation.removed_rows:
            await self._generations.build(progress)
        else:
            progress(1.0, "nothing to compact")

    def keep_up(self, auto_compaction: bool, deletion_share_max: float | None) -> None:
        """Whether it trains again by itself when too much changed, and at which share of deaths (None: that of the options)."""
        self._generations.auto_compaction = auto_compaction
        self._generations.deletion_share_max = deletion_share_max or self._generations.options.deletion_share_max
        self._generations.consider()

    async def load(self, progress: Progress) -> None:
        """Bring an index that was active into memory again: from its saved files if they hold, else trained in the background.

        It answers exactly from the start of the call on.
        """
        if self.state is IndexState.BUILDING:
            raise WrongState("the index is being built", state=self.state)
        if self.state is not IndexState.ACTIVE:
            self.state = IndexState.ACTIVE
            progress(0.1, "loading")
            await self._generations.resume()
        progress(1.0, "loaded")

    async def release(self) -> None:
        """Take the index out of memory; searches raise WrongState until it is loaded. Raises WrongState unless it is active."""
        self._check_active("released")
        await self.close(save=True)

    async def close(self, save: bool) -> None:
        """End the index with the server; `save`: keep on disk what its trained part has learned since it was saved."""
        self.state = IndexState.RELEASED
        await self._generations.stop(save=save)

    def drop(self) -> None:
        """End the index at once and remove its files."""
        self.state = IndexState.RELEASED
        self._generations.kill()

    def rows_added(self, first_slot: int, count: int) -> None:
        """Slots first_slot.. were published: from now on every search finds them."""
        self._generations.rows_added(first_slot, count)
        self._recall.rows_changed(count)

    def rows_removed(self, slots: Slots) -> None:
        """These slots died: from now on no search returns them."""
        self._generations.rows_removed(slots)
        self._recall.rows_changed(len(slots))

    def search(self, queries: Queries, k: int, params: Mapping[str, Any]) -> asyncio.Future[Hits]:
        """The k nearest living rows of each query, which are as the rows of the field: float32 (nq, dimension), C order, finite, for COSINE
        none zero; uint8 (nq, dimension / 8); or sparse.

        `params`: nprobe (leaves to visit; at or above the number of leaves: exact) and reorder, or ef_search of a graph; or instead of
        them recall, the mean recall promised, kept by the cheapest setting that holds it. Raises WrongState, Rejected or RetryLater.
        """
        promise = self._promise(queries, params)
        answer = self._submit(queries, k, self._tuning(params, k, promise, k), None)
        if promise is not None:
            answer.add_done_callback(partial(self._recall.answered_later, queries, k, promise, bucket_of(k), self._search_exactly))
        return answer

    def answer(self, queries: Queries, k: int, params: Mapping[str, Any], finish: Callable[[Hits], T]) -> asyncio.Future[T]:
        """As `search`, of up to QUERIES_PER_PART queries, with what `finish` makes of the hits: on the event loop, as soon as they come."""
        future: asyncio.Future[T] = self._loop.create_future()
        promise = self._promise(queries, params)
        tuning = self._tuning(params, k, promise, k)
        if promise is not None:
            finish = self._recall.watching(queries, k, promise, finish)
        self._route(Search(queries, k, future, tuning, finish=finish))
        return future

    def _promise(self, queries: Queries, params: Mapping[str, Any]) -> float | None:
        """Show the keeper of promises what is asked; the promise, if there is one."""
        self._recall.saw(queries)
        return promised_recall(params) if params else None

    def _search_exactly(self, queries: Queries, k: int, among: Slots | None = None) -> asyncio.Future[Hits]:
        return self._submit(queries, k, None, among)

    def search_among(self, queries: Queries, k: int, slots: Slots) -> asyncio.Future[Hits]:
        """The k nearest of the living among `slots` (distinct), exactly. `slots` must not change before the answer."""
        self._check_searchable()
        return self._submit(queries, k, None, slots)

    def search_matching(
        self, queries: Queries, k: int, params: Mapping[str, Any], matches: Matches, depth: int, promised: int
    ) -> asyncio.Future[Hits]:
        """The k best of those that match within the `depth` nearest rows as `search` finds them: perhaps fewer than k although more match.

        `params` as there; a promise of recall is kept for the `promised` nearest. Where the index answers exactly, so is this answered.
        """
        promise = self._promise(queries, params)
        answer = self._submit(queries, k, self._tuning(params, depth, promise, promised), None, matches, depth)
        if promise is not None:
            answer.add_done_callback(partial(self._matched, queries, k, promise, matches, promised))
        return answer

    def _matched(self, queries: Queries, k: int, promise: float, matches: Matches, promised: int, answer: asyncio.Future[Hits]) -> None:
        """Perhaps look whether a promise was kept, unless too few were found: that is not what the user gets."""
        if not answer.cancelled() and answer.exception() is None and answer.result().counts[0] >= min(k, len(matches.slots)):
            exact = partial(self.search_among, slots=matches.slots)
            self._recall.answered_later(queries, k, promise, bucket_of(promised), exact, answer)

    @property
    def exact(self) -> ExactSearch:
        """Scores any rows of the field, dead ones too, in any thread. Raises WrongState unless the index is active."""
        self._check_searchable()
        return self._exact.scorer

    @property
    def is_trained(self) -> bool:
        """Whether a trained part answers now."""
        return self._generations.current is not None

    def tuning_for(self, k: int, params: Mapping[str, Any], promised: int) -> Tuning | None:
        """How a search for k rows would use the trained part, a promise kept for the `promised` nearest; None: it is answered exactly.
        Raises Rejected."""
        generation, tuning = self._generations.current, self._tuning(params, k, promised_recall(params), promised)
        return tuning if generation is not None and tuning is not None and self._is_worth_it(generation, k, tuning) else None

    def _is_worth_it(self, generation: Generation, fetch: int, tuning: Tuning) -> bool:
        """Whether the trained part has less to do for so many rows than exact search, and leaves something out."""
        return tuning.effort < generation.effort_max and fetch * _EXACT_SHARE <= self._rows.live_count

    def describe(self) -> IndexDescription:
        """Reads files of the system: not for the way of a search."""
        generation, building = self._generations.current, self._generations.under_way
        if generation is None:
            fresh = self._rows.live_count if self.state in (IndexState.ACTIVE, IndexState.BUILDING) else 0
            return IndexDescription(self.state, self._generations.why_exact(), 0, fresh, 0, 0, building, 0.0)
        host = generation.host
        return IndexDescription(
            self.state,
            generation.recipe.text(),
            host.trained_rows,
            host.fresh_rows,
            host.memory_bytes(),
            generation.removed_rows,
            building,
            generation.recipe.bytes_per_vector(self.spec.dimension),
        )

    def describe_recall(self) -> RecallState:
        """What it was measured to find, and what searches with a promise were found to have."""
        return self._recall.describe()

    def _check_active(self, what: str) -> None:
        if self.state is not IndexState.ACTIVE:
            raise WrongState(f"only an active index can be {what}; this one is {self.state.value}", state=self.state)

    def _check_searchable(self) -> None:
        if self.state is IndexState.CREATED:
            raise WrongState("the index is not active: activate_index first", state=self.state)
        if self.state is IndexState.RELEASED:
            raise WrongState("the index is released: load_index first", state=self.state)

    def _tuning(self, params: Mapping[str, Any], k: int, promise: float | None, promised: int) -> Tuning | None:
        """The tuning for k rows of the index of now, a promise kept for the `promised` nearest; None while it answers exactly."""
        self._check_searchable()
        generation = self._generations.current
        if generation is None:
            self.spec.check_search(params, k)
            return None
        if promise is None:
            return self.spec.tuning(params, k, generation.recipe)
        found = self._recall.tuning(promised, promise)
        return found if found is None or promised == k else found.reaching(k, generation.recipe)

    def _submit(
        self, queries: Queries, k: int, tuning: Tuning | None, among: Slots | None, matches: Matches | None = None, depth: int = 0
    ) -> asyncio.Future[Hits]:
        """Submit a search; a long one goes in parts, so that others get their turn between them."""
        if len(queries) <= QUERIES_PER_PART:
            future: asyncio.Future[Hits] = self._loop.create_future()
            self._route(Search(queries, k, future, tuning, among, None, matches, depth))
            return future
        parts: list[asyncio.Future[Hits]] = []
        for at in range(0, len(queries), QUERIES_PER_PART):
            parts.append(self._loop.create_future())
            part = Search(queries[at : at + QUERIES_PER_PART], k, parts[-1], tuning, among, None, matches, depth)
            self._route(part, accepted=at > 0)
        return asyncio.ensure_future(join(parts))

    def _route(self, search: Search, *, accepted: bool = False) -> None:
        """To the host, unless exactness is asked for or cheap enough for what is wanted."""
        generation, tuning = self._generations.current, search.tuning
        if generation is not None and tuning is not None and self._is_worth_it(generation, max(search.k, search.depth), tuning):
            generation.search(search, accepted=accepted)
        else:
            self._exact.search(search, accepted=accepted)

    def _ask_again(self, search: Search) -> None:
        if self.state in (IndexState.ACTIVE, IndexState.BUILDING):
            self._route(search, accepted=True)
        else:
            search.future.set_exception(WrongState("the index was released during the search", state=self.state))

    def _give_up(self, searches: list[Search]) -> None:
        """Answer exactly what a host could not answer."""
        for search in searches:
            if not search.future.done():
                search.tuning = None
                self._ask_again(search)
