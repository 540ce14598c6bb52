"""Exact scores of candidates, read from the shared vectors: what makes every score that leaves a host exact, whatever codes found it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hippod.engine.index.exact import Terms, score_directly
from hippod.engine.index.recipe import Engine, available_engines
from hippod.engine.index.vectors import Slots, Vectors, VectorSource
from hippod.engine.operations.indexes import Metric

_ONE = np.float32(1)


class Rescorer:
    """Owned by a TrainedPart: one metric over one source of vectors."""

    def __init__(self, vectors: VectorSource, metric: Metric) -> None:
        self._vectors = vectors
        self._metric = metric
        self._terms = Terms(vectors, metric) if metric is Metric.COSINE else None

    def scores(self, queries: Vectors, slots: Slots, rows: int) -> npt.NDArray[np.float32]:
        """The exact scores (nq, n) of `slots` (nq, n), all below `rows`, for each query."""
        vectors = self._vectors.view(rows)
        if Engine.FAISS not in available_engines():
            return score_directly(vectors, queries, slots, self._metric)
        from hippod.engine.index.faiss_index import score_listed

        scores = score_listed(vectors, queries, slots, self._metric)
        if self._terms is not None:
            scores *= self._terms.view(rows).take(slots)
            scores /= np.sqrt(np.vecdot(queries, queries))[:, None]
            np.clip(scores, -_ONE, _ONE, out=scores)
        return scores
