"""Measuring a curve: sampled queries, their exact answers, and what ever harder settings of a generation find of them.

Everything goes through the searches that users' searches go through, in batches between theirs. The exact answers of the sample are
computed once; a setting is measured with all queries. What settings cost is a line through the quickest batch of each, which other work
disturbs least: what does more never seems cheaper, however much the machine is busy with other things meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.index.builder import Progress
from hippod.engine.index.exact import Hits, Mask, Scores
from hippod.engine.index.generation import Generation, Misses
from hippod.engine.index.lane import Search
from hippod.engine.index.recall.curve import Cost, Point, estimate
from hippod.engine.index.recall.found import recall_of
from hippod.engine.index.spec import Tuning, default_reorder
from hippod.engine.index.vectors import Slots, Vectors
from hippod.engine.operations.indexes import Metric

_QUERIES: Final = {10: 1_024, 30: 640, 60: 512, 100: 384, 150: 320, 300: 224, 1_000: 128}
_QUERIES_MIN: Final = 320
_ROWS_PER_QUERY: Final = 32
_BATCH: Final = 32
_BATCH_MIN: Final = 4
# Searches of users wait for a batch that is under way.
_BATCH_S: Final = 0.004
_STEP: Final = 1.25
_REORDER_GROWTH: Final = 2
# Twice as many candidates scored exactly have to find so much more, or no more are tried.
_REORDER_GAIN: Final = 0.001
_REORDERS_MAX: Final = 8
_ENOUGH: Final = 0.998
_SATURATED: Final = 0.0005
_STEPS_MIN: Final = 6
# How many times as much a query that nobody has seen misses as a row of the index, which is left out of its own answers. A row draws the
# centre of its leaf a little towards itself, the more the fewer rows the leaf has: of packages and of made vectors strangers missed 1.15
# times as much with 16 rows a leaf, 1.0 to 1.08 times with 250 and more. Of graphs it is measured, see `compare`.
_LEAVES_MISS_MORE: Final = 1.05
_LEAVES_MISS_MORE_BY_ROWS: Final = 2.0
_COMPARED_K: Final = 10
_COMPARED_STEP: Final = 2
_COMPARED_ENOUGH: Final = 0.995

ExactSearch = Callable[[Vectors, int], Awaitable[Hits]]
# Comes between two batches; gets the seconds that the last one took.
Rest = Callable[[float], Awaitable[None]]


async def no_rest(_took_s: float) -> None:
    """For who is waited for."""


class Sample(NamedTuple):
    """Queries (n, dimension), and the rows (n,) that they were made of, which are no answers to them; -1 for queries that came."""

    queries: Vectors
    own: Slots

    @property
    def is_made_of_rows(self) -> bool:
        return bool((self.own >= 0).any())

    def part(self, at: int, count: int) -> Sample:
        return Sample(self.queries[at : at + count], self.own[at : at + count])


def sample_rows(vectors: Vectors, alive: Mask, count: int) -> Sample:
    """`count` of the living rows as queries. Blocks."""
    living = np.flatnonzero(alive)
    slots = np.random.default_rng(len(living)).choice(living, min(count, len(living)), replace=False)
    return Sample(np.ascontiguousarray(vectors[slots]), slots)


def queries_for(k: int, rows: int) -> int:
    """How many queries a curve for k over so many rows is measured with: fewer where a search costs little whatever its setting."""
    return min(_QUERIES[k], max(_QUERIES_MIN, rows // _ROWS_PER_QUERY))


def ladder(effort_max: int) -> list[int]:
    """Efforts worth a look, each about a quarter more than the one before, all below `effort_max`."""
    efforts: list[int] = []
    effort = 1.0
    while effort < effort_max:
        if not efforts or int(effort) != efforts[-1]:
            efforts.append(int(effort))
        effort = max(effort + 1, effort * _STEP)
    return efforts


def misses_more(generation: Generation, rows: int, effort: int) -> float:
    """How many times as much strangers miss as rows of the index do, of which there are so many."""
    recipe = generation.recipe
    if not recipe.is_graph:
        return _LEAVES_MISS_MORE + _LEAVES_MISS_MORE_BY_ROWS * recipe.leaves / rows
    if not generation.misses:
        return 1.0
    efforts, times = zip(*generation.misses, strict=True)
    return float(np.interp(np.log(effort), np.log(efforts), times))


async def compare(generation: Generation, strangers: Sample, rows: Sample, exact: ExactSearch, metric: Metric) -> Misses:
    """How many times as much as `rows` of a graph `strangers` miss, which are not in it, for some efforts; `exact` searches the rows in it.

    A graph leads straight to a row, and from there along its links to its neighbours. Of packages and of made vectors strangers missed two
    to four times as much, of rows without any order eight times.
    """
    bounds = [await find_bounds(sample, _COMPARED_K, exact, lambda _share, _stage: None, no_rest) for sample in (strangers, rows)]
    misses: list[tuple[int, float]] = []
    effort, found = _COMPARED_K + 1, 0.0
    while found < _COMPARED_ENOUGH and effort < generation.effort_max:
        shares = []
        for sample, bound in zip((strangers, rows), bounds, strict=True):
            recalls, _ = await _search_sample(generation, Tuning(effort, _COMPARED_K), sample, bound, _COMPARED_K, metric, _BATCH, no_rest)
            # One more hit missed of each, so that chance decides little where hardly any is.
            shares.append((float((1 - recalls).sum()) * _COMPARED_K + 1) / (len(recalls) * _COMPARED_K))
        found = 1 - shares[0]
        misses.append((effort, max(1.0, round(shares[0] / shares[1], 3))))
        effort *= _COMPARED_STEP
    return tuple(misses)


class Measurement:
    """What a generation finds of the k best, k a bucket, by rising effort; of `sample`, whose exact answers end at the scores `bound`."""

    def __init__(self, generation: Generation, k: int, sample: Sample, bound: Scores, metric: Metric, rows: int, rest: Rest) -> None:
        self._generation = generation
        self._k = k
        self._sample = sample
        self._bound = bound
        self._metric = metric
        self._rows = rows
        self._rest = rest
        self._batch = _BATCH

    async def points(self, least_effort: int, progress: Progress) -> tuple[Point, ...]:
        """From `least_effort` on, for ever more candidates scored exactly, as long as these find more. Raises HostLost if the host ends."""
        efforts = [effort for effort in ladder(self._generation.effort_max) if effort >= least_effort]
        reorder = self._k
        if self._generation.recipe.reorders:
            reorder = max(self._k, default_reorder(self._k, self._metric) // _REORDER_GROWTH)
        points: list[Point] = []
        best = 0.0
        for done in range(_REORDERS_MAX if self._generation.recipe.reorders else 1):
            found: list[Point] = []
            for number, effort in enumerate(efforts):
                # Nobody knows how many rounds there will be: each is half of what is left.
                progress(1 - 0.5 ** (done + number / len(efforts)), "measuring recall")
                found.append(await self._measure(Tuning(effort, reorder)))
                if found[-1].recall.mean >= _ENOUGH or _is_saturated(found):
                    break
            points += found
            before, best = best, max((point.recall.mean for point in found), default=0.0)
            if best >= _ENOUGH or best - before < _REORDER_GAIN:
                break
            reorder *= _REORDER_GROWTH
        return tuple(points)

    async def _measure(self, tuning: Tuning) -> Point:
        seen, quickest = await _search_sample(
            self._generation, tuning, self._sample, self._bound, self._k, self._metric, self._batch, self._rest
        )
        self._batch = min(_BATCH, max(_BATCH_MIN, int(_BATCH_S / quickest)))
        if self._sample.is_made_of_rows:
            seen = 1 - misses_more(self._generation, self._rows, tuning.effort) * (1 - seen)
        return Point(tuning.effort, tuning.reorder, estimate(seen), round(quickest * 1e6, 1))


async def _search_sample(
    generation: Generation, tuning: Tuning, sample: Sample, bound: Scores, k: int, metric: Metric, batch: int, rest: Rest
) -> tuple[npt.NDArray[np.float64], float]:
    """The recall of each query of the sample (nq,), and seconds a query of the quickest batch."""
    recalls: list[npt.NDArray[np.float64]] = []
    quickest = float("inf")
    for at in range(0, len(sample.queries), batch):
        part = sample.part(at, batch)
        started = time.perf_counter()
        hits = await search_generation(generation, part.queries, k + 1, tuning)
        took = time.perf_counter() - started
        quickest = min(quickest, took / len(part.queries))
        recalls.append(recall_of(_without(hits, part.own, k), bound[at : at + batch], k, metric))
        await rest(took)
    return np.concatenate(recalls), quickest


async def find_bounds(sample: Sample, k: int, exact: ExactSearch, progress: Progress, rest: Rest) -> Scores:
    """The score of the k-th best row for each query (nq,), NaN where fewer than k rows live."""
    bounds: list[Scores] = []
    for at in range(0, len(sample.queries), _BATCH):
        progress(at / len(sample.queries), "finding exact answers")
        part = sample.part(at, _BATCH)
        started = time.perf_counter()
        hits = _without(await exact(part.queries, k + 1), part.own, k)
        bounds.append(np.where(hits.counts == k, hits.scores[:, -1], np.float32(np.nan)))
        await rest(time.perf_counter() - started)
    return np.concatenate(bounds)


def fit_cost(points: tuple[Point, ...]) -> Cost:
    """The line through what the points took (least squares of relative errors) whose coefficients are none of them negative."""
    if not points:
        return Cost(0.0, 0.0, 0.0)
    took = np.array([point.took_us for point in points])
    terms = np.array([[1.0, point.effort, point.reorder] for point in points]) / took[:, None]
    kept = [0, 1, 2]
    while True:
        found = np.linalg.lstsq(terms[:, kept], np.ones(len(points)), rcond=None)[0]
        if (found >= 0).all():
            break
        del kept[int(found.argmin())]
    coefficients = dict(zip(kept, found.tolist(), strict=True))
    return Cost(*(coefficients.get(term, 0.0) for term in range(3)))


def _is_saturated(found: list[Point]) -> bool:
    """Whether more effort no longer finds more: two steps that gained nothing, after what few efforts find by chance."""
    return len(found) > _STEPS_MIN and found[-1].recall.mean - found[-3].recall.mean < _SATURATED


def search_generation(generation: Generation, queries: Vectors, k: int, tuning: Tuning) -> asyncio.Future[Hits]:
    """A search that goes to the generation whatever serves."""
    found: asyncio.Future[Hits] = asyncio.get_running_loop().create_future()
    generation.search(Search(queries, k, found, tuning), accepted=True)
    return found


def _without(hits: Hits, own: Slots, k: int) -> Hits:
    """The k best of k + 1 without the rows that the queries were made of."""
    other = hits.slots != own[:, None]
    order = np.argsort(~other, axis=1, kind="stable")[:, :k]
    there = np.arange(hits.slots.shape[1]) < hits.counts[:, None]
    counts = np.minimum((other & there).sum(axis=1), k).astype(np.int32)
    return Hits(np.take_along_axis(hits.slots, order, 1), np.take_along_axis(hits.scores, order, 1), counts)
