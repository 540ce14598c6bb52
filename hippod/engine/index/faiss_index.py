"""The only home of faiss: graphs, coded partitions, and the product that scores listed rows straight from the vector file.

faiss indexes here only grow: removing from a graph is not offered, removing from partitions walks all of them. Their scores are not
used where they come from codes. COSINE is the inner product of unit vectors: by their distance, which orders alike, codes of 96 x 8 bits
were searched at two thirds of the speed and found a little less.
faiss uses one thread except in training: a host has one lane.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from hippod.engine.index.exact import normalised
from hippod.engine.index.point_index import Candidates
from hippod.engine.index.recipe import Recipe, ScalarCode
from hippod.engine.index.vectors import Slots, Vectors
from hippod.engine.operations.indexes import IndexType, Metric

_FILE: Final = "index.faiss"
_SCALAR_CODES: Final = {
    ScalarCode.SQ4: "QT_4bit",
    ScalarCode.SQ6: "QT_6bit",
    ScalarCode.SQ8: "QT_8bit",
    ScalarCode.FP16: "QT_fp16",
    ScalarCode.BF16: "QT_bf16",
}
# Codebooks of many bits would otherwise be trained on all rows for minutes.
_CODE_SAMPLE_ROWS_MAX: Final = 262_144


class FaissIndex:
    """A PointIndex: its members are described there."""

    can_delete: Final = False

    def __init__(self, index: Any, recipe: Recipe, metric: Metric) -> None:
        import faiss

        self._index = index
        self._recipe = recipe
        self._metric = metric
        self._parameters: dict[int, Any] = {}
        self.is_exact = recipe.is_graph
        faiss.omp_set_num_threads(1)

    @classmethod
    def train(cls, recipe: Recipe, rows: Vectors, metric: Metric, threads: int) -> Self:
        """See point_index. Needs as many rows as leaves and as entries of a codebook."""
        import faiss

        faiss.omp_set_num_threads(threads)
        index = _untrained(recipe, rows.shape[1], metric)
        data = _encode(rows, metric)
        if not index.is_trained:
            index.train(data)
        index.add(data)
        return cls(index, recipe, metric)

    @classmethod
    def load(cls, recipe: Recipe, directory: Path, metric: Metric) -> Self:
        """See point_index."""
        import faiss

        return cls(faiss.read_index(str(directory / _FILE)), recipe, metric)

    def save(self, directory: Path) -> None:
        import faiss

        faiss.write_index(self._index, str(directory / _FILE))

    @property
    def size(self) -> int:
        return int(self._index.ntotal)

    @property
    def effort_max(self) -> int:
        return self.size if self._recipe.is_graph else self._recipe.leaves

    def search(self, queries: Vectors, k: int, effort: int, reorder: int) -> Candidates:  # noqa: ARG002 - scored by the caller, or exact
        params = self._parameters_for(max(effort, k) if self._recipe.is_graph else effort)
        scores, positions = self._index.search(_encode(queries, self._metric), k, params=params)
        if positions[:, -1].min(initial=0) >= 0:
            return Candidates(positions, scores, np.full(len(queries), k, np.int32))
        found = positions >= 0
        return Candidates(np.where(found, positions, 0), np.where(found, scores, np.float32(0)), found.sum(axis=1).astype(np.int32))

    def append(self, rows: Vectors) -> None:
        self._index.add(_encode(rows, self._metric))

    def delete(self, positions: list[int]) -> None:
        raise NotImplementedError(f"faiss cannot delete {len(positions)} points: see can_delete")

    def _parameters_for(self, effort: int) -> Any:
        """The library's own form of an effort; made once for each that is in use."""
        import faiss

        found = self._parameters.get(effort)
        if found is None:
            if len(self._parameters) >= 64:
                self._parameters.clear()
            graph = self._recipe.is_graph
            found = faiss.SearchParametersHNSW(efSearch=effort) if graph else faiss.SearchParametersIVF(nprobe=effort)
            self._parameters[effort] = found
        return found


def score_listed(rows: Vectors, queries: Vectors, listed: Slots, metric: Metric) -> npt.NDArray[np.float32]:
    """Scores (nq, n) of rows `listed` (nq, n) for each query (nq, d): squared distances for L2, else dot products. Nothing is copied."""
    import faiss

    scores = np.empty(listed.shape, np.float32)
    score = faiss.fvec_L2sqr_by_idx if metric is Metric.L2 else faiss.fvec_inner_products_by_idx
    pointer = faiss.swig_ptr
    score(pointer(scores), pointer(queries), pointer(rows), pointer(listed), rows.shape[1], *listed.shape)
    return scores


def _untrained(recipe: Recipe, dimension: int, metric: Metric) -> Any:
    import faiss

    measure = faiss.METRIC_L2 if metric is Metric.L2 else faiss.METRIC_INNER_PRODUCT
    if recipe.is_graph:
        graph = faiss.IndexHNSWFlat(dimension, recipe.links, measure)
        graph.hnsw.efConstruction = recipe.ef_construction
        return graph
    partitioner = faiss.IndexFlat(dimension, measure)
    index = _partitioned(partitioner, recipe, dimension, measure)
    partitioner.this.disown()
    index.own_fields = True
    return index


def _partitioned(partitioner: Any, recipe: Recipe, dimension: int, measure: int) -> Any:
    import faiss

    if recipe.type is IndexType.IVF_FLAT:
        return faiss.IndexIVFFlat(partitioner, dimension, recipe.leaves, measure)
    if recipe.scalar_code is not None:
        code = getattr(faiss.ScalarQuantizer, _SCALAR_CODES[recipe.scalar_code])
        return faiss.IndexIVFScalarQuantizer(partitioner, dimension, recipe.leaves, code, measure)
    fast = recipe.type is IndexType.IVF_PQ_FS
    made = faiss.IndexIVFPQFastScan if fast else faiss.IndexIVFPQ
    index = made(partitioner, dimension, recipe.leaves, recipe.subspaces, recipe.nbits, measure)
    index.pq.cp.max_points_per_centroid = max(1, min(256, _CODE_SAMPLE_ROWS_MAX >> recipe.nbits))
    return index


def _encode(rows: Vectors, metric: Metric) -> Vectors:
    return normalised(rows) if metric is Metric.COSINE else np.ascontiguousarray(rows, np.float32)
