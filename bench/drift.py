"""A data set whose rows come in two parts that lie apart: first most of them, then the rest, which the first say nothing about.

The rest is what lies furthest along the direction in which the rows differ most. Of the queries, those on the side of the first rows are
asked at first, all of them once the rest is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.data import DataSet, Ids, Source, Vectors, nearest

_LATER_SHARE: Final = 0.3
_DIRECTION_ROWS: Final = 10_000


class Phase(NamedTuple):
    """What is asked while the rows are those up to this phase: `queries` (nq, d) and the exact nearest ids `truth` (nq, K)."""

    rows: npt.NDArray[np.intp]
    queries: Vectors
    truth: Ids


class Drift(NamedTuple):
    """`rows` of each phase are those that come with it: three tenths as many later as first."""

    data: DataSet
    first: Phase
    later: Phase

    @classmethod
    def of(cls, source: Source) -> Drift:
        data = source.open()
        direction = _widest(data.base)
        places = data.base @ direction
        border = np.quantile(places, 1 / (1 + _LATER_SHARE))
        first, later = np.flatnonzero(places < border), np.flatnonzero(places >= border)
        queries = data.queries[data.queries @ direction < border]
        truth = data.ids[first][nearest(data.base[first], queries)]
        return cls(data, Phase(first, queries, truth), Phase(later, data.queries, data.truth))

    def batches(self, source: Source, phase: Phase, rows: int) -> Iterator[dict[str, Any]]:
        """The rows that come with a phase, so many at a time, as the client takes them."""
        for start in range(0, len(phase.rows), rows):
            chosen = phase.rows[start : start + rows]
            scalars = {name: [cells[at] for at in chosen] for name, cells in self.data.scalars.items()}
            part = self.data._replace(base=self.data.base[chosen], ids=self.data.ids[chosen], scalars=scalars)
            yield source.columns(part, 0, len(chosen))


def _widest(base: Vectors) -> Vectors:
    """The direction (d,) of the greatest variance among some of the rows."""
    some = base[:: max(1, len(base) // _DIRECTION_ROWS)]
    direction: Vectors = np.linalg.svd(some - some.mean(axis=0), full_matrices=False)[2][0]
    return direction
