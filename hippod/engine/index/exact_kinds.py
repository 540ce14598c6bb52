"""Exact search over whatever kind of vectors a field has."""

from __future__ import annotations

from hippod.engine.index.exact import DenseSearch, ExactSearch
from hippod.engine.index.exact_binary import BinarySearch
from hippod.engine.index.exact_sparse import SparseSearch
from hippod.engine.index.sparse_vectors import SparseVectorFile
from hippod.engine.index.vectors import VectorSource
from hippod.engine.operations.indexes import Metric


def exact_search(vectors: VectorSource | SparseVectorFile, metric: Metric) -> ExactSearch:
    """The one that goes with the vectors and the metric, which suit each other."""
    if isinstance(vectors, SparseVectorFile):
        return SparseSearch(vectors)
    return BinarySearch(vectors, metric) if metric.is_binary else DenseSearch(vectors, metric)
