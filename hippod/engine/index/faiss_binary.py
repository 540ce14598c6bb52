"""Binary vectors in faiss: partitions and graphs by HAMMING, whose scores are exact.

As the indexes of float vectors they only grow, and use one thread except in training.

Not for JACCARD, which faiss does not know. Of the words of 62,666 package descriptions as sets in 1,024 bits, the 480 nearest by Hamming
distance, found exactly and scored again, had 0.65 of the ten nearest sets, and 2,000 of them 0.75: small sets are near each other
whatever is in them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from hippod.engine.index.point_index import Candidates
from hippod.engine.index.recipe import Recipe
from hippod.engine.index.vectors import Vectors
from hippod.engine.operations.indexes import Metric

_FILE: Final = "index.faiss"
# The centres of leaves are looked for among floats, 32 times the memory of the bits: 256 rows a leaf where these take no more than so
# much, 64 else. Of 62,666 x 384 bits, 20 of 250 leaves found 0.9557 and 0.9521 of the nearest.
_ROWS_PER_LEAF: Final = 256
_ROWS_PER_LEAF_MIN: Final = 64
_FLOAT_BYTES: Final = 256 << 20


class FaissBinaryIndex:
    """A PointIndex over uint8 rows: its members are described there."""

    can_delete: Final = False
    is_exact: Final = True

    def __init__(self, index: Any, recipe: Recipe) -> None:
        import faiss

        self._index = index
        self._recipe = recipe
        faiss.omp_set_num_threads(1)

    @classmethod
    def train(cls, recipe: Recipe, rows: Vectors, metric: Metric, threads: int) -> Self:  # noqa: ARG003 - always HAMMING
        """See point_index. For HAMMING only; needs as many rows as leaves."""
        import faiss

        faiss.omp_set_num_threads(threads)
        index = _untrained(recipe, rows.shape[1] * 8)
        if not index.is_trained:
            fit = max(_ROWS_PER_LEAF_MIN * recipe.leaves, _FLOAT_BYTES // (32 * rows.shape[1]))
            sample = np.random.default_rng(0).permutation(len(rows))[: min(fit, _ROWS_PER_LEAF * recipe.leaves)]
            index.train(rows[np.sort(sample)])
        index.add(np.ascontiguousarray(rows))
        return cls(index, recipe)

    @classmethod
    def load(cls, recipe: Recipe, directory: Path, metric: Metric) -> Self:  # noqa: ARG003 - always HAMMING
        """See point_index."""
        import faiss

        return cls(faiss.read_index_binary(str(directory / _FILE)), recipe)

    def save(self, directory: Path) -> None:
        import faiss

        faiss.write_index_binary(self._index, str(directory / _FILE))

    @property
    def size(self) -> int:
        return int(self._index.ntotal)

    @property
    def effort_max(self) -> int:
        return self.size if self._recipe.is_graph else self._recipe.leaves

    def search(self, queries: Vectors, k: int, effort: int, reorder: int) -> Candidates:  # noqa: ARG002 - scores are exact
        if self._recipe.is_graph:
            self._index.hnsw.efSearch = max(effort, k)
        else:
            self._index.nprobe = effort
        distances, positions = self._index.search(np.ascontiguousarray(queries), k)
        found = positions >= 0
        scores = np.where(found, distances, 0).astype(np.float32)
        return Candidates(np.where(found, positions, 0), scores, found.sum(axis=1).astype(np.int32))

    def append(self, rows: Vectors) -> None:
        self._index.add(np.ascontiguousarray(rows))

    def delete(self, positions: list[int]) -> None:
        raise NotImplementedError(f"faiss cannot delete {len(positions)} points: see can_delete")


def _untrained(recipe: Recipe, bits: int) -> Any:
    import faiss

    if recipe.is_graph:
        graph = faiss.IndexBinaryHNSW(bits, recipe.links)
        graph.hnsw.efConstruction = recipe.ef_construction
        return graph
    partitioner = faiss.IndexBinaryFlat(bits)
    index = faiss.IndexBinaryIVF(partitioner, bits, recipe.leaves)
    partitioner.this.disown()
    index.own_fields = True
    return index
