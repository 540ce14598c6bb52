"""Keeping promises of recall: which setting a search gets, when curves are measured, and whether what was promised is found.

    a generation begins to serve      its stored curves are read, else the curve of the smallest bucket is measured at once
    a search needs another bucket     that curve is measured next
    a curve is measured               with queries that came, if there were enough, else with rows of the table in their place
    measured again                    when a fifth of the rows changed since, when enough queries have come since it was measured
                                      with rows, and when the audit finds a promise broken

Until a curve is there a promise is kept by exact searches, and so it is where no setting holds it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np

from hippod.engine.index.exact import Hits
from hippod.engine.index.generation import Generation
from hippod.engine.index.host_process import HostLost
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.recall.audit import Audit, AuditedRecall
from hippod.engine.index.recall.calibration import ExactSearch, Sample, calibrate, queries_for, recall_of, sample_rows, search_generation
from hippod.engine.index.recall.curve import BUCKETS, Curve, bucket_of
from hippod.engine.index.recall.stored import Measured, read_curves, write_curves
from hippod.engine.index.rows import RowSource
from hippod.engine.index.spec import IndexSpec, Tuning
from hippod.engine.index.vectors import Queries, Vectors

log = logging.getLogger("hippod.index")

T = TypeVar("T")

# Of fewer rows an exact search is the quicker one.
_ROWS_PER_HIT_MIN: Final = 4
_QUERIES_KEPT: Final = 512
_CHANGED_SHARE: Final = 0.2
_CHOICES_KEPT: Final = 64
_AUDIT_EVERY_S: Final = 0.5
_AUDIT_SHARE: Final = 0.02


class RecallState(msgspec.Struct, frozen=True):
    """`measuring`: what is measured now, for people, or empty; `curves` by bucket; `audited` by promise."""

    measuring: str
    curves: list[Curve]
    audited: list[AuditedRecall]


class RecallKeeper:
    """Owned by a VectorIndex, on the event loop. `exact` answers queries exactly."""

    def __init__(self, spec: IndexSpec, rows: RowSource, pool: SearchPool, directory: Path, exact: ExactSearch) -> None:
        self._spec = spec
        self._rows = rows
        self._pool = pool
        self._directory = directory
        self._exact = exact
        self._generation: Generation | None = None
        self._curves: dict[int, Curve] = {}
        self._choices: dict[tuple[int, float], tuple[Curve, Tuning | None]] = {}
        self._wanted: dict[int, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._measuring = ""
        self._changed = 0
        self._changed_at: dict[int, int] = {}
        self._audit = Audit()
        self._auditing: asyncio.Task[None] | None = None
        self._next_audit = 0.0
        self._queries: Vectors | None = None
        self._queries_seen = 0
        self._random = random.Random()  # a sample, no secret

    def serve(self, generation: Generation | None) -> None:
        """Another generation answers from now on, or none."""
        self.stop()
        self._generation = generation
        self._curves, self._wanted, self._changed_at = {}, {}, {}
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

    def tuning(self, k: int, promise: float) -> Tuning | None:
        """The cheapest setting that keeps the promise for k; None: search exactly."""
        bucket = bucket_of(k)
        if bucket is None or self._generation is None or self._rows.live_count <= _ROWS_PER_HIT_MIN * bucket:
            return None
        curve = self._curves.get(bucket)
        if curve is None or self._is_stale(curve):
            self._want(bucket)
        return None if curve is None else self._choice(curve, promise)

    def _choice(self, curve: Curve, promise: float) -> Tuning | None:
        """What the curve chooses; choosing looks at all its points, too often for every search."""
        known = self._choices.get((curve.k, promise))
        if known is None or known[0] is not curve:
            if len(self._choices) >= _CHOICES_KEPT:
                self._choices.clear()
            known = self._choices[curve.k, promise] = curve, curve.choose(promise)
        return known[1]

    def saw(self, queries: Queries) -> None:
        """Keep a fair sample of the queries that come, one a request (algorithm R, Vitter 1985)."""
        if self._generation is None or not isinstance(queries, np.ndarray):
            return
        self._queries_seen += 1
        if self._queries_seen <= _QUERIES_KEPT:
            place = self._queries_seen - 1
        else:
            place = self._random.randrange(self._queries_seen)
            if place >= _QUERIES_KEPT:
                return
        if self._queries is None:
            self._queries = np.empty((_QUERIES_KEPT, queries.shape[1]), queries.dtype)
        self._queries[place] = queries[0]

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

    def describe(self) -> RecallState:
        return RecallState(self._measuring, [self._curves[bucket] for bucket in sorted(self._curves)], self._audit.figures())

    async def calibrated(self) -> None:
        """Wait until nothing is being measured."""
        while self._task is not None:
            await asyncio.wait([self._task])

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

    def _is_stale(self, curve: Curve) -> bool:
        changed = self._changed - self._changed_at.get(curve.k, 0)
        return changed > _CHANGED_SHARE * curve.rows or (not curve.from_queries and self._has_queries)

    @property
    def _has_queries(self) -> bool:
        return self._queries_seen >= queries_for(BUCKETS[0])

    def _want(self, bucket: int) -> None:
        self._wanted[bucket] = None
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._measure_wanted())
            self._task.add_done_callback(self._measured)

    def _measured(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task, self._measuring = None, ""
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, HostLost):
            log.warning("the recall of an index could not be measured: %s", error)

    async def _measure_wanted(self) -> None:
        generation = self._generation
        assert generation is not None
        if not self._curves:
            stored = await self._pool.run(read_curves, self._directory, generation.training)
            self._curves = {curve.k: curve for curve in stored}
            self._changed_at = dict.fromkeys(self._curves, self._changed)
            self._wanted = {bucket: None for bucket in self._wanted if bucket not in self._curves}
        while self._wanted:
            bucket = next(iter(self._wanted))
            if self._rows.live_count > _ROWS_PER_HIT_MIN * bucket:
                changed = self._changed
                self._curves[bucket] = await self._calibrate(generation, bucket)
                self._changed_at[bucket] = changed
                measured = Measured(generation.training, list(self._curves.values()))
                await self._pool.run(write_curves, self._directory, measured)
            self._wanted.pop(bucket, None)

    async def _calibrate(self, generation: Generation, bucket: int) -> Curve:
        def progress(share: float, stage: str) -> None:
            self._measuring = f"{stage} for k up to {bucket}, {share:.0%}"

        count, default = queries_for(bucket), self._spec.tuning({}, bucket, generation.recipe)
        if self._has_queries and self._queries is not None:
            kept = min(self._queries_seen, _QUERIES_KEPT)
            queries = self._queries[self._random.sample(range(kept), min(count, kept))]
            sample = Sample(queries, np.full(len(queries), -1, np.int64))
        else:
            sample = await sample_rows(self._rows, count, lambda v, k: search_generation(generation, v, k, default), self._pool)
        rows = self._rows.live_count
        least = Tuning(bucket + 1 if generation.recipe.is_graph else 1, default.reorder)
        points = await calibrate(generation, least, bucket, sample, self._exact, self._spec.metric, progress)
        return Curve(bucket, points, rows, not sample.is_made_of_rows, time.time())
