"""What an index was measured to find, by how hard it tries, and the cheapest setting that keeps a promise.

A promise is about the mean recall over queries like those that were measured. The hits of one query are not independent of each other, so
the unit is the query: n recalls, one a query, have a mean and a standard error, and the bounds are those of Student's t at 95 % on each
side (for the n used here the normal quantile is as good). One more query of recall one half is counted in, so that no sample,
however clean, claims more than its size bears out (an add-one rule after Laplace).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from hippod.engine.index.parameters import number
from hippod.engine.index.spec import Tuning
from hippod.errors import Rejected

PROMISE_MIN: Final = 0.5
PROMISE_MAX: Final = 0.999
# The numbers of hits that curves are measured for; a search goes by the next larger one.
BUCKETS: Final = (10, 30, 60, 100, 150, 300, 1_000)
_QUANTILE: Final = 1.645
_FILLED_GAP_MAX: Final = 16
_EFFORT_KEYS: Final = ("nprobe", "ef_search", "reorder")


class Estimate(msgspec.Struct, frozen=True):
    """A mean recall with its bounds, each of which errs once in twenty times; `samples` queries."""

    mean: float
    low: float
    high: float
    samples: int


def estimate(recalls: npt.NDArray[np.float64]) -> Estimate:
    """The mean of one recall a query (n,), n at least 1; they are at most 1.0, and below 0.0 where misses were counted more than once."""
    padded = np.append(recalls, 0.5)
    margin = _QUANTILE * float(padded.std(ddof=1)) / math.sqrt(len(padded))
    middle = float(padded.mean())
    low, high = (min(1.0, max(0.0, bound)) for bound in (middle - margin, middle + margin))
    return Estimate(max(0.0, float(recalls.mean())), low, high, len(recalls))


class Point(msgspec.Struct, frozen=True):
    """One setting: what it found, and what it took, in microseconds of a host for each query of its quickest batch."""

    effort: int
    reorder: int
    recall: Estimate
    took_us: float


class Cost(msgspec.Struct, frozen=True):
    """Microseconds of a host for each query of a batch: always, for each unit of effort, and for each candidate reordered."""

    base_us: float
    effort_us: float
    reorder_us: float

    def of(self, tuning: Tuning) -> float:
        return self.base_us + self.effort_us * tuning.effort + self.reorder_us * tuning.reorder


class Curve(msgspec.Struct, frozen=True):
    """Settings, for each number of candidates to reorder by rising effort, measured for the `k` best. `rows` lived then, the newest of them
    `newest_row_id`; `from_queries`: with queries that came, not with rows of the table in their place; `measured_at` seconds since the
    epoch."""

    k: int
    points: tuple[Point, ...]
    cost: Cost
    rows: int
    newest_row_id: int
    from_queries: bool
    measured_at: float

    @property
    def queries(self) -> int:
        """How many queries it was measured with."""
        return self.points[0].recall.samples if self.points else 0

    def choose(self, promise: float) -> Tuning | None:
        """The cheapest setting whose lower bound holds the promise; None if only an exact search does."""
        by_reorder: dict[int, list[Point]] = {}
        by_effort: dict[int, list[Point]] = {}
        for point in self.points:
            by_reorder.setdefault(point.reorder, []).append(point)
        for group in by_reorder.values():
            for point in _with_those_between(group):
                by_effort.setdefault(point.effort, []).append(point)
        settings = [_least(group, promise) for group in (*by_reorder.values(), *by_effort.values())]
        return min((tuning for tuning in settings if tuning is not None), key=self.cost.of, default=None)


def _with_those_between(points: list[Point]) -> Iterator[Point]:
    """The points, by rising effort, and where few efforts lie between two of them, one for each of these on the straight line."""
    for low, high in itertools.pairwise(points):
        yield low
        gap = high.effort - low.effort
        for step in range(1, gap if gap <= _FILLED_GAP_MAX else 0):
            bound = low.recall.low + step / gap * (high.recall.low - low.recall.low)
            yield replace(low, effort=low.effort + step, recall=replace(low.recall, low=bound))
    yield points[-1]


def _least(points: list[Point], promise: float) -> Tuning | None:
    """The least that holds the promise, of points with one number of candidates by rising effort, or with one effort by rising number of
    candidates. Between two that were measured recall rises ever more slowly, so the straight line between their lower bounds promises less
    than there is."""
    above = next((at for at, point in enumerate(points) if point.recall.low >= promise), None)
    if above is None:
        return None
    high = points[above]
    if not above:
        return Tuning(high.effort, high.reorder)
    low = points[above - 1]
    share = (promise - low.recall.low) / (high.recall.low - low.recall.low)
    return Tuning(math.ceil(low.effort + share * (high.effort - low.effort)), math.ceil(low.reorder + share * (high.reorder - low.reorder)))


def bucket_of(k: int) -> int | None:
    """The bucket that a search for k goes by, None beyond the last."""
    return next((bucket for bucket in BUCKETS if k <= bucket), None)


def promised_recall(params: Any) -> float | None:
    """The promise among search parameters. Raises Rejected if it is out of range or comes with a setting of its own."""
    promise = number(params, "recall", PROMISE_MIN, PROMISE_MAX)
    if promise is None:
        return None
    given = [key for key in _EFFORT_KEYS if params.get(key) is not None]
    if given:
        raise Rejected(f"recall chooses the effort of a search: leave out {' and '.join(given)}, or recall", parameter="recall")
    return promise
