"""How much of what there was to find an answer has."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from hippod.engine.index.exact import Hits, Scores
from hippod.engine.operations.indexes import Metric

_SAME_SCORE: Final = 1e-5


def recall_of(hits: Hits, bound: Scores, k: int, metric: Metric) -> npt.NDArray[np.float64]:
    """Of each query, the share of the k best that is among its hits (nq, k): those that score no worse than the k-th best, `bound` (nq,).

    By score, not by row: of rows that are equally near, any is as good. A query with fewer than k rows to find has a NaN bound: all counts.
    """
    there = np.arange(hits.scores.shape[1]) < hits.counts[:, None]
    slack = _SAME_SCORE * np.maximum(np.abs(bound), 1e-6)
    good = hits.scores <= (bound + slack)[:, None] if metric.is_distance else hits.scores >= (bound - slack)[:, None]
    return np.where(np.isnan(bound), 1.0, np.minimum((good & there).sum(axis=1), k) / k)
