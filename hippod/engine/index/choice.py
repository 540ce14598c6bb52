"""What AUTO builds: candidates are built over a sample of the rows and measured, and the one that answers quickest is taken.

Each is searched through the same code as in service, alone and in batches, at the least effort at which it finds the wanted share of
the true nearest; beside them stands the exact search, which needs no index at all. That is done over the sample and over a quarter of
it, and how much slower the sample is than its quarter says how much slower all rows are than the sample. A graph takes several times
the memory and the time to build, so it has to be clearly quicker.

Runs in hosts, before the training of what was chosen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import numpy as np

from hippod.engine.index import engines
from hippod.engine.index.exact import Hits
from hippod.engine.index.exact_kinds import exact_search
from hippod.engine.index.recall.found import recall_of
from hippod.engine.index.recipe import Recipe
from hippod.engine.index.spec import default_reorder
from hippod.engine.index.trained import TrainedPart
from hippod.engine.index.vectors import Slots, Vectors
from hippod.engine.operations.indexes import Metric

_SAMPLE_ROWS_MIN: Final = 8_192
_SAMPLE_ROWS_MAX: Final = 32_768
_SAMPLE_SHARE: Final = 4
_QUERIES: Final = 256
_BATCH: Final = 32
_LONE: Final = 64
_K: Final = 10
_RECALL: Final = 0.95
_REPEATS: Final = 3
_GRAPH_ADVANTAGE: Final = 1.5
_EFFORT_STEP: Final = 1.25


class Measured(NamedTuple):
    """`recipe` None: exact search. `recall` at the effort that was measured; seconds per query over all rows, and to build the sample."""

    recipe: Recipe | None
    recall: float
    query_s: float
    build_s: float


class _Sample:
    """A VectorSource of rows in memory."""

    def __init__(self, rows: Vectors) -> None:
        self._rows = rows

    def view(self, count: int) -> Vectors:
        return self._rows[:count]


def choose(candidates: tuple[Recipe, ...], rows: Vectors, slots: Slots, metric: Metric, threads: int) -> tuple[Recipe | None, str]:
    """The candidate to build over `slots` of `rows`, with the reason in it, or None for exact search; and the reason, for people."""
    size = min(len(slots) - _QUERIES, max(_SAMPLE_ROWS_MIN, min(_SAMPLE_ROWS_MAX, len(slots) // _SAMPLE_SHARE)))
    drawn = rows[np.random.default_rng(0).permutation(slots)[: size + _QUERIES]]
    sample, queries = drawn[_QUERIES:], drawn[:_QUERIES]
    choices = (None, *candidates)
    quarter = [_measure(recipe, len(slots), sample[: size // 4], queries, metric, threads) for recipe in choices]
    whole = [_measure(recipe, len(slots), sample, queries, metric, threads) for recipe in choices]
    measured = [
        large._replace(query_s=large.query_s * _growth(small.query_s, large.query_s, len(slots) / size))
        for small, large in zip(quarter, whole, strict=True)
    ]
    chosen = pick(measured)
    reason = f"AUTO, measured on {size:,} of {len(slots):,} rows: " + ", ".join(_text(one) for one in measured)
    return (None if chosen.recipe is None else msgspec.structs.replace(chosen.recipe, reason=reason)), reason


def pick(measured: list[Measured]) -> Measured:
    """The quickest of those that find enough; a graph only if it is clearly the quickest. The exact one always finds enough."""
    enough = [one for one in measured if one.recall >= _RECALL]
    return min(enough, key=lambda one: one.query_s * (_GRAPH_ADVANTAGE if one.recipe is not None and one.recipe.is_graph else 1.0))


def _growth(quarter_s: float, sample_s: float, times: float) -> float:
    """How many times longer a search takes over `times` as many rows as the sample, if time grows with some power of the rows."""
    power = math.log(sample_s / quarter_s) / math.log(4)
    return float(times ** min(1.0, max(0.0, power)))


def _measure(recipe: Recipe | None, all_rows: int, sample: Vectors, queries: Vectors, metric: Metric, threads: int) -> Measured:
    """One choice over a sample: at the least effort that finds enough, or at the greatest if none does."""
    source, size = _Sample(sample), len(sample)
    exact = exact_search(source, metric)
    bound = exact.search(size, queries, _K, None, None).scores[:, -1]
    if recipe is None:
        return Measured(None, 1.0, _seconds(lambda some: exact.search(size, some, _K, None, None), queries), 0.0)
    leaves = 0 if recipe.is_graph else max(2, round(math.sqrt(size / all_rows) * recipe.leaves))
    small = msgspec.structs.replace(recipe, leaves=leaves)
    started = time.perf_counter()
    part = TrainedPart(source, metric, engines.train(small, sample, metric, threads), np.arange(size))
    build_s = time.perf_counter() - started
    effort_max, reorder, effort, recall = small.effort_max(size), default_reorder(_K, metric), 1, 0.0
    while recall < _RECALL and effort < effort_max:
        effort = min(effort_max, math.ceil(effort * _EFFORT_STEP))
        hits = [part.search(queries[at : at + _BATCH], _K, effort, reorder)[0] for at in range(0, len(queries), _BATCH)]
        recall = float(recall_of(Hits.joined(hits), bound, _K, metric).mean())
    return Measured(recipe, recall, _seconds(lambda some: part.search(some, _K, effort, reorder), queries), build_s)


def _seconds(search: Callable[[Vectors], object], queries: Vectors) -> float:
    """Per query: the geometric mean of what one alone takes and what one of a batch takes; the best of some rounds each.

    Time of the processor, of which everything in a host takes just one: others that keep it busy must not decide.
    """
    alone = [queries[at : at + 1] for at in range(_LONE)]
    batches = [queries[at : at + _BATCH] for at in range(0, len(queries), _BATCH)]
    return math.sqrt(_best(search, alone) / _LONE * _best(search, batches) / len(queries))


def _best(search: Callable[[Vectors], object], parts: list[Vectors]) -> float:
    rounds = []
    for _ in range(_REPEATS):
        started = time.thread_time()
        for part in parts:
            search(part)
        rounds.append(time.thread_time() - started)
    return min(rounds)


def _text(one: Measured) -> str:
    name = "exact" if one.recipe is None else one.recipe.type.value
    if one.recall < _RECALL:
        return f"{name} finds {one.recall:.3f} at most"
    return f"{name} {one.query_s * 1e6:,.0f} us" + (f" (sample built in {one.build_s:.1f} s)" if one.recipe is not None else "")
