"""Keeping promises of recall: which setting a search gets, when curves are measured, and whether what was promised is found.

    a generation begins to serve      its stored curves are read, else the curve of the smallest bucket is measured at once
    a search needs another bucket     that curve is measured next
    a curve is measured               with queries that came, if there were enough, else with rows of the table in their place
    measured again                    when a tenth of the rows changed since, or many more queries came than it was measured with, if
                                      promises are asked for at all; and when the audit finds a promise broken

What changed is counted while the index serves. A stored curve tells which row was the newest and how many there were: those newer are
new, and what is missing of the older died.

Until a curve is there a promise is kept by exact searches, and so it is where no setting holds it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec
import numpy as np

from hippod.engine.index.builder import Progress, Show
from hippod.engine.index.exact import Hits, Mask
from hippod.engine.index.generation import Generation, Misses
from hippod.engine.index.host_process import HostLost
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.recall.audit import Audit, AuditedRecall
from hippod.engine.index.recall.calibration import (
    ExactSearch,
    Measurement,
    Sample,
    compare,
    find_bounds,
    fit_cost,
    queries_for,
    sample_rows,
)
from hippod.engine.index.recall.curve import BUCKETS, Curve, bucket_of
from hippod.engine.index.recall.found import recall_of
from hippod.engine.index.recall.recent import QUERIES_MIN, RecentQueries
from hippod.engine.index.recall.stored import Measured, read_curves, write_curves
from hippod.engine.index.rows import RowSource
from hippod.engine.index.spec import IndexSpec, Tuning
from hippod.engine.index.vectors import Queries, Slots, Vectors

log = logging.getLogger("hippod.index")


class ExactAmong(Protocol):
    """Exact search, of all rows or among some."""

    def __call__(self, queries: Queries, k: int, among: Slots | None = None) -> Awaitable[Hits]: ...


T = TypeVar("T")

# Of fewer rows an exact search is the quicker one.
_ROWS_PER_HIT_MIN: Final = 4
_CHANGED_SHARE: Final = 0.1
_AUDIT_EVERY_S: Final = 0.5
_AUDIT_SHARE: Final = 0.02
_CHOICES_KEPT: Final = 1_024
_EXACT_SHARE_OF_WORK: Final = 0.3
# After each batch of a measurement, as long as users search: so many times as long as it took.
_REST: Final = 3
# A curve is measured again with so many times the queries.
_MORE_QUERIES: Final = 1.5


class RecallState(msgspec.Struct, frozen=True):
    """`measuring`: what is measured now, for people, or empty; `curves` by bucket; `audited` by promise."""

    measuring: str
    curves: list[Curve]
    audited: list[AuditedRecall]


class RecallKeeper:
    """Owned by a VectorIndex, on the event loop. `exact` answers queries exactly, over all rows or over some."""

    def __init__(self, spec: IndexSpec, rows: RowSource, pool: SearchPool, directory: Path, exact: ExactAmong, show: Show) -> None:
        self._spec = spec
        self._rows = rows
        self._pool = pool
        self._directory = directory
        self._exact = exact
        self._show = show
        self._generation: Generation | None = None
        self._curves: dict[int, Curve] = {}
        self._wanted: dict[int, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._measuring = ""
        self._seen = self._seen_at_rest = 0
        self._changed = 0
        self._changed_at: dict[int, int] = {}
        self._is_asked = False
        self._audit = Audit()
        self._auditing: asyncio.Task[None] | None = None
        self._next_audit = 0.0
        self._recent = RecentQueries()
        self._choices: dict[tuple[int, float], Tuning | None] = {}

    def serve(self, generation: Generation | None) -> None:
        """Another generation answers from now on, or none."""
        self.stop()
        self._generation = generation
        self._curves, self._wanted, self._changed_at, self._choices = {}, {}, {}, {}
        self._audit.clear()
        if generation is not None:
            self._want(BUCKETS[0])

    def stop(self) -> None:
        """Measure no more."""
        for task in (self._task, self._auditing):
            if task is not None:
                task.cancel()
        self._task = self._auditing = None
        self._measuring = ""

    def rows_changed(self, count: int) -> None:
        self._changed += count
        self._want_stale()

    def tuning(self, k: int, promise: float) -> Tuning | None:
        """The cheapest setting that keeps the promise for k; None: search exactly."""
        self._is_asked, bucket = True, bucket_of(k)
        if bucket is None or self._generation is None or not self._is_worth_measuring(bucket):
            return None
        curve = self._curves.get(bucket)
        if curve is None:
            self._want(bucket)
            return None
        self._want_stale()
        key = (bucket, promise)
        if key not in self._choices:
            if len(self._choices) >= _CHOICES_KEPT:
                self._choices.clear()
            self._choices[key] = curve.choose(promise)
        return self._choices[key]

    def saw(self, queries: Queries) -> None:
        """Keep a sample of the queries that come, one a request."""
        self._seen += 1
        if self._generation is not None and isinstance(queries, np.ndarray):
            self._recent.add(queries)

    def watching(self, queries: Queries, k: int, promise: float, finish: Callable[[Hits], T]) -> Callable[[Hits], T]:
        """`finish`, which also looks, perhaps, whether the promise was kept."""

        def watch(hits: Hits) -> T:
            self._answered(queries, k, promise, bucket_of(k), self._exact, hits)
            return finish(hits)

        return watch

    def answered_later(
        self, queries: Queries, k: int, promise: float, bucket: int | None, exact: ExactSearch, answer: asyncio.Future[Hits]
    ) -> None:
        """A search with a promise, which went by the curve of `bucket`, has ended: perhaps look whether it was kept. `exact` finds all."""
        if not answer.cancelled() and answer.exception() is None:
            self._answered(queries, k, promise, bucket, exact, answer.result())

    def _answered(self, queries: Queries, k: int, promise: float, bucket: int | None, exact: ExactSearch, hits: Hits) -> None:
        loop = asyncio.get_running_loop()
        if self._generation is not None and isinstance(queries, np.ndarray) and self._auditing is None and loop.time() >= self._next_audit:
            self._auditing = loop.create_task(self._look_again(queries[:1], k, promise, bucket, exact, hits.part(0, 1)))
            self._auditing.add_done_callback(self._audit_ended)

    async def compare(self, generation: Generation, inside: Slots, outside: Slots) -> Misses:
        """See Compare of the builder."""

        def exact(queries: Vectors, k: int) -> Awaitable[Hits]:
            return self._exact(queries, k, inside)

        vectors = self._rows.vectors.view(self._rows.count)
        assert isinstance(vectors, np.ndarray)  # nothing is trained over sparse vectors
        among: Mask = np.zeros(self._rows.count, np.bool_)
        among[inside] = True
        rows = await self._pool.run(sample_rows, vectors, among, len(outside))
        strangers = Sample(np.ascontiguousarray(vectors[outside]), np.full(len(outside), -1, np.int64))
        return await compare(generation, strangers, rows, exact, self._spec.metric)

    def describe(self) -> RecallState:
        return RecallState(self._measuring, [self._curves[bucket] for bucket in sorted(self._curves)], self._audit.figures())

    def _exact_of_all(self, queries: Vectors, k: int) -> Awaitable[Hits]:
        return self._exact(queries, k, None)

    async def _look_again(self, queries: Vectors, k: int, promise: float, bucket: int | None, exactly: ExactSearch, hits: Hits) -> None:
        loop = asyncio.get_running_loop()
        changed, started = self._changed, loop.time()
        exact = await exactly(queries, k)
        took = loop.time() - started
        self._next_audit = loop.time() + max(_AUDIT_EVERY_S, took / _AUDIT_SHARE)
        if changed != self._changed or not exact.counts[0]:
            return
        found = int(exact.counts[0])
        recall = recall_of(hits, exact.scores[:, found - 1], found, self._spec.metric)
        self._audit.add(promise, float(recall[0]))
        if bucket is not None and self._audit.is_broken(promise):
            log.info("searches that were promised a recall of %s find less: an index is measured again", promise)
            self._audit.clear()
            self._want(bucket)

    def _audit_ended(self, task: asyncio.Task[None]) -> None:
        if self._auditing is task:
            self._auditing = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a search could not be audited: %s", error)

    def _is_worth_measuring(self, bucket: int) -> bool:
        return self._rows.live_count > _ROWS_PER_HIT_MIN * bucket

    def _is_stale(self, curve: Curve) -> bool:
        if not self._is_worth_measuring(curve.k):
            return False
        if self._changed - self._changed_at[curve.k] > _CHANGED_SHARE * curve.rows:
            return True
        used = curve.queries if curve.from_queries else 0
        return self._has_queries and min(self._recent.count, queries_for(curve.k, curve.rows)) >= _MORE_QUERIES * used

    @property
    def _has_queries(self) -> bool:
        return self._recent.count >= QUERIES_MIN

    def _want_stale(self) -> None:
        """Have the curves measured again that rows or queries have left behind, if anybody goes by them."""
        if self._is_asked and self._task is None:
            for curve in self._curves.values():
                if self._is_stale(curve):
                    self._want(curve.k)

    def _want(self, bucket: int) -> None:
        self._wanted[bucket] = None
        if self._task is None:
            self._measuring = "about to measure"
            self._task = asyncio.get_running_loop().create_task(self._measure_wanted())
            self._task.add_done_callback(self._measured)

    def _measured(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task, self._measuring = None, ""
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, HostLost):
            log.warning("the recall of an index could not be measured: %s", error)
        elif not task.cancelled():
            self._want_stale()

    async def _measure_wanted(self) -> None:
        generation = self._generation
        assert generation is not None
        if not self._curves:
            stored = await self._pool.run(read_curves, self._directory, generation.training)
            self._curves = {curve.k: curve for curve in stored}
            self._changed_at = {curve.k: self._changed - self._changed_since(curve) for curve in stored}
            self._wanted = {bucket: None for bucket in self._wanted if bucket not in self._curves}
        while self._wanted:
            bucket = next(iter(self._wanted))
            if self._is_worth_measuring(bucket):
                changed = self._changed
                with self._show("measure_recall") as shown:
                    self._curves[bucket] = await self._calibrate(generation, bucket, shown)
                self._changed_at[bucket] = changed
                self._choices.clear()
                measured = Measured(generation.training, list(self._curves.values()))
                await self._pool.run(write_curves, self._directory, measured)
            self._wanted.pop(bucket, None)

    def _changed_since(self, curve: Curve) -> int:
        """How many rows are new or dead since a curve was measured, also if that was before a restart."""
        older = int(np.searchsorted(self._rows.row_ids, curve.newest_row_id, side="right"))
        still = int(np.count_nonzero(self._rows.alive[:older]))
        return self._rows.live_count - still + max(0, curve.rows - still)

    async def _rest(self, took_s: float) -> None:
        """Leave the processors and the host to users' searches for a while, if there were any since the last time."""
        if self._seen != self._seen_at_rest:
            self._seen_at_rest = self._seen
            await asyncio.sleep(_REST * took_s)

    async def _calibrate(self, generation: Generation, bucket: int, shown: Progress) -> Curve:
        def progress(share: float, stage: str) -> None:
            self._measuring = f"{stage} for k up to {bucket}, {share:.0%}"
            shown(share, f"{stage} for k up to {bucket}")

        rows, row_ids, count = self._rows.live_count, self._rows.row_ids, queries_for(bucket, self._rows.live_count)
        newest = int(row_ids[-1]) if len(row_ids) else 0
        if self._has_queries:
            queries = self._recent.draw(count)
            sample = Sample(queries, np.full(len(queries), -1, np.int64))
        else:
            vectors = self._rows.vectors.view(self._rows.count)
            assert isinstance(vectors, np.ndarray)  # nothing is trained over sparse vectors
            sample = await self._pool.run(sample_rows, vectors, self._rows.alive_now, count)
        least = bucket + 1 if generation.recipe.is_graph else 1
        bound = await find_bounds(
            sample, bucket, self._exact_of_all, lambda share, stage: progress(_EXACT_SHARE_OF_WORK * share, stage), self._rest
        )
        measurement = Measurement(generation, bucket, sample, bound, self._spec.metric, rows, self._rest)
        rest = 1 - _EXACT_SHARE_OF_WORK
        points = await measurement.points(least, lambda share, stage: progress(_EXACT_SHARE_OF_WORK + rest * share, stage))
        return Curve(bucket, points, fit_cost(points), rows, newest, not sample.is_made_of_rows, time.time())
