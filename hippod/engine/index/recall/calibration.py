"""Measuring a curve: sampled queries, their exact answers, and what ever harder settings of a generation find of them.

Everything goes through the searches that users' searches go through, in batches between theirs. The exact answers of the sample are
computed once; a setting is measured with all queries, and its cost is the quickest of its batches, which other work disturbs least.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.index.builder import Progress
from hippod.engine.index.exact import Hits, Scores
from hippod.engine.index.generation import Generation
from hippod.engine.index.lane import Search
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.recall.curve import Point, estimate
from hippod.engine.index.rows import RowSource
from hippod.engine.index.spec import Tuning
from hippod.engine.index.vectors import Slots, Vectors
from hippod.engine.operations.indexes import Metric

_QUERIES: Final = {10: 320, 30: 224, 100: 160, 300: 100, 1_000: 64}
_EXACT_BATCH: Final = 8
_BATCH: Final = 32
_STEP: Final = 1.15
_REORDER_FACTORS: Final = (1, 3)
_ENOUGH: Final = 0.998
_SAME_SCORE: Final = 1e-5
_NEIGHBOURS: Final = 10
_MOVED: Final = 1.5
# Leaves were fitted to the rows, so what lies near a row is found more easily than what a stranger asks for: of packages and of made
# vectors leaves missed 1.3 to 1.6 times as much for queries that they had not seen. A graph, asked 1.5 distances off a row, did not.
_LEAVES_MISS_MORE: Final = 1.4

ExactSearch = Callable[[Vectors, int], Awaitable[Hits]]


class Sample(NamedTuple):
    """Queries (n, dimension), and the rows (n,) that they were made of, which are no answers to them; -1 for queries that came."""

    queries: Vectors
    own: Slots

    @property
    def is_made_of_rows(self) -> bool:
        return bool((self.own >= 0).any())

    def part(self, at: int, count: int) -> Sample:
        return Sample(self.queries[at : at + count], self.own[at : at + count])


async def sample_rows(rows: RowSource, count: int, nearest: ExactSearch, pool: SearchPool) -> Sample:
    """`count` queries as new rows would be: living rows, moved by 1.5 times the distance of their nearest neighbour.

    A row itself would be too easy a query: a graph leads straight to it, and from there its links to its neighbours. The direction is
    the difference of two of its `nearest` rows, so that a query stays where rows are. Of binary rows the bits change in
    which those differ.
    """

    def draw() -> tuple[Slots, Vectors]:
        living = np.flatnonzero(alive)
        slots = random.choice(living, min(count, len(living)), replace=False)
        return slots, np.ascontiguousarray(vectors[slots])

    def move(starts: Vectors, hits: Hits) -> Vectors:
        near = vectors[hits.slots]
        one, other = near[:, 1 + random.integers(_NEIGHBOURS // 2)], near[:, -1 - random.integers(_NEIGHBOURS // 2)]
        if starts.dtype == np.uint8:
            return starts ^ one ^ other
        distances = np.sort(np.linalg.norm(near - starts[:, None], axis=2), axis=1)[:, 1]
        step = one - other
        length = np.linalg.norm(step, axis=1)
        scale = np.divide(distances, length, out=np.zeros_like(length), where=length > 0)
        return np.ascontiguousarray(starts + _MOVED * step * scale[:, None], np.float32)

    alive, view = rows.alive.copy(), rows.vectors.view(rows.count)
    assert isinstance(view, np.ndarray)  # nothing is trained over sparse vectors
    vectors: Vectors = view
    random = np.random.default_rng(rows.count)
    slots, starts = await pool.run(draw)
    found = [await nearest(starts[at : at + _BATCH], _NEIGHBOURS + 1) for at in range(0, len(starts), _BATCH)]
    return Sample(await pool.run(move, starts, Hits.joined(found)), slots)


def queries_for(k: int) -> int:
    """How many queries a curve for k is measured with."""
    return _QUERIES[k]


def ladder(effort_max: int) -> list[int]:
    """Efforts worth a look, each about an eighth more than the one before, all below `effort_max`."""
    efforts: list[int] = []
    effort = 1.0
    while effort < effort_max:
        if not efforts or int(effort) != efforts[-1]:
            efforts.append(int(effort))
        effort = max(effort + 1, effort * _STEP)
    return efforts


async def calibrate(
    generation: Generation, least: Tuning, k: int, sample: Sample, exact: ExactSearch, metric: Metric, progress: Progress
) -> tuple[Point, ...]:
    """What a generation finds of the k best, k a bucket, by rising effort. `least.reorder` is the default number of candidates scored
    exactly, `least.effort` the smallest effort. Raises HostLost if the host ends meanwhile."""
    bounds: list[Scores] = []
    for at in range(0, len(sample.queries), _EXACT_BATCH):
        part = sample.part(at, _EXACT_BATCH)
        hits = _without(await exact(part.queries, k + 1), part.own, k)
        bounds.append(np.where(hits.counts == k, hits.scores[:, -1], np.float32(np.nan)))
        progress(0.3 * at / len(sample.queries), "finding exact answers")
    bound = np.concatenate(bounds)
    efforts = [effort for effort in ladder(generation.effort_max) if effort >= least.effort]
    factors = _REORDER_FACTORS if generation.recipe.reorders else (1,)
    points: list[Point] = []
    for number, effort in enumerate(efforts):
        settings = [Tuning(effort, least.reorder * factor) for factor in factors]
        points += [await _measure(generation, setting, k, sample, bound, metric) for setting in settings]
        progress(0.3 + 0.7 * number / len(efforts), "measuring recall")
        if points[-1].recall.mean >= _ENOUGH:
            break
    return tuple(points)


async def _measure(generation: Generation, tuning: Tuning, k: int, sample: Sample, bound: Scores, metric: Metric) -> Point:
    recalls: list[npt.NDArray[np.float64]] = []
    quickest = float("inf")
    for at in range(0, len(sample.queries), _BATCH):
        part = sample.part(at, _BATCH)
        started = time.perf_counter()
        hits = await search_generation(generation, part.queries, k + 1, tuning)
        quickest = min(quickest, (time.perf_counter() - started) / len(part.queries))
        recalls.append(recall_of(_without(hits, part.own, k), bound[at : at + _BATCH], k, metric))
    seen = np.concatenate(recalls)
    if sample.is_made_of_rows and not generation.recipe.is_graph:
        seen = np.maximum(0.0, 1 - _LEAVES_MISS_MORE * (1 - seen))
    return Point(tuning.effort, tuning.reorder, estimate(seen), round(quickest * 1e6, 1))


def search_generation(generation: Generation, queries: Vectors, k: int, tuning: Tuning) -> asyncio.Future[Hits]:
    """A search that goes to the generation whatever serves."""
    found: asyncio.Future[Hits] = asyncio.get_running_loop().create_future()
    generation.search(Search(queries, k, found, tuning), accepted=True)
    return found


def recall_of(hits: Hits, bound: Scores, k: int, metric: Metric) -> npt.NDArray[np.float64]:
    """Of each query, the share of the k best that is among its hits (nq, k): those that score no worse than the k-th best, `bound` (nq,).

    By score, not by row: of rows that are equally near, any is as good. A query with fewer than k rows to find has a NaN bound: all counts.
    """
    there = np.arange(hits.scores.shape[1]) < hits.counts[:, None]
    slack = _SAME_SCORE * np.maximum(np.abs(bound), 1e-6)
    good = hits.scores <= (bound + slack)[:, None] if metric.is_distance else hits.scores >= (bound - slack)[:, None]
    return np.where(np.isnan(bound), 1.0, np.minimum((good & there).sum(axis=1), k) / k)


def _without(hits: Hits, own: Slots, k: int) -> Hits:
    """The k best of k + 1 without the rows that the queries were made of."""
    other = hits.slots != own[:, None]
    order = np.argsort(~other, axis=1, kind="stable")[:, :k]
    there = np.arange(hits.slots.shape[1]) < hits.counts[:, None]
    counts = np.minimum((other & there).sum(axis=1), k).astype(np.int32)
    return Hits(np.take_along_axis(hits.slots, order, 1), np.take_along_axis(hits.scores, order, 1), counts)
