"""What an index was measured to find, by how hard it tries, and the cheapest setting that keeps a promise.

A promise is about the mean recall over queries like those that were measured. The hits of one query are not independent of each other, so
the unit is the query: n recalls, one a query, have a mean and a standard error, and the bounds are those of Student's t at 95 % on each
side (for the n used here the normal quantile is as good). One more query of recall one half is counted in, so that no sample,
however clean, claims more than its size bears out (an add-one rule after Laplace).
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.index.parameters import number
from hippod.engine.index.spec import Tuning
from hippod.errors import Rejected

PROMISE_MIN: Final = 0.5
PROMISE_MAX: Final = 0.999
# The numbers of hits that curves are measured for; a search goes by the next larger one.
BUCKETS: Final = (10, 30, 100, 300, 1_000)
_QUANTILE: Final = 1.645
_EFFORT_KEYS: Final = ("nprobe", "ef_search", "reorder")


class Estimate(msgspec.Struct, frozen=True):
    """A mean recall with its bounds, each of which errs once in twenty times; `samples` queries."""

    mean: float
    low: float
    high: float
    samples: int


def estimate(recalls: npt.NDArray[np.float64]) -> Estimate:
    """The mean of one recall a query (n,), each from 0.0 to 1.0; n at least 1."""
    padded = np.append(recalls, 0.5)
    margin = _QUANTILE * float(padded.std(ddof=1)) / math.sqrt(len(padded))
    middle = float(padded.mean())
    return Estimate(float(recalls.mean()), max(0.0, middle - margin), min(1.0, middle + margin), len(recalls))


class Point(msgspec.Struct, frozen=True):
    """One setting: what it found and what it costs, in microseconds of a host for each query of a batch."""

    effort: int
    reorder: int
    recall: Estimate
    cost_us: float


class Curve(msgspec.Struct, frozen=True):
    """Settings by rising effort, measured for the `k` best. `rows` lived then; `from_queries`: with queries that came, not with rows of the
    table in their place; `measured_at` seconds since the epoch."""

    k: int
    points: tuple[Point, ...]
    rows: int
    from_queries: bool
    measured_at: float

    def choose(self, promise: float) -> Tuning | None:
        """The cheapest setting whose lower bound holds the promise; None if only an exact search does."""
        held = [point for point in self.points if point.recall.low >= promise]
        if not held:
            return None
        best = min(held, key=lambda point: (self._cost(point), point.effort, point.reorder))
        return Tuning(best.effort, best.reorder)

    def _cost(self, point: Point) -> float:
        """Without the noise of a clock: what does more is never the cheaper, so a setting costs no more than any that does as much."""
        return min(p.cost_us for p in self.points if p.effort >= point.effort and p.reorder >= point.reorder)


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
