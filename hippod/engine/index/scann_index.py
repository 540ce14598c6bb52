"""The only home of ScaNN: a partitioned, hashed and exactly reordered index over positions, made safe to use.

ScaNN answers misuse with silence or a crash, so everything is arranged here: float32 in C order, k below the reorder number, answers
cut at the first NaN, more rows than leaves. It must be used from one thread and never searches while it changes. An index that spills
(SOAR: every row is in two leaves) only grows: deleting from it crashes.

ScaNN numbers its points 0..n-1: an appended point gets position n, deleting moves the last point into the hole.
A search visits some leaves and ranks their points by 4-bit codes (asymmetric hashing, anisotropic for dot products). IVF_FLAT keeps
the floats as well and scores the best `reorder` by them; IVF_PQ_FS keeps the codes alone. COSINE is the dot product of unit vectors.

L2 does without spilling, which ScaNN has for dot products only. As one, with half the squared length as a further dimension, it found
at equal speed, of three kinds of 200,000 x 128: of clusters with a falling spectrum a little more, of few intrinsic dimensions the same,
of round clusters far less (0.949 against 0.989 in 17 leaves of 447). And it doubles the codes.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from hippod.engine.index.exact import normalised
from hippod.engine.index.point_index import Candidates
from hippod.engine.index.recipe import Recipe
from hippod.engine.index.scann_kernels import scann_library
from hippod.engine.index.vectors import Vectors
from hippod.engine.operations.indexes import IndexType, Metric

_SAMPLE_ROWS_MAX: Final = 100_000
_CODE_SAMPLE_ROWS_MAX: Final = 50_000
_REORDER_DEFAULT: Final = 100
_LEAF_ROWS_MIN: Final = 8
_ANISOTROPIC_THRESHOLD: Final = 0.2
_SOAR_LAMBDA: Final = 1.5
_OVERRETRIEVE: Final = 2.0
_ONE: Final = np.float32(1)
_ASSETS: Final = "scann_assets.pbtxt"


class ScannIndex:
    """A PointIndex: its members are described there."""

    def __init__(self, searcher: Any, recipe: Recipe, metric: Metric) -> None:
        self._searcher = searcher
        self._metric = metric
        self._reorders = recipe.type is IndexType.IVF_FLAT
        self.is_exact = self._reorders
        self.can_delete = recipe.can_delete
        self.effort_max = recipe.leaves

    @classmethod
    def train(cls, recipe: Recipe, rows: Vectors, metric: Metric, threads: int) -> Self:
        """See point_index. Needs n >= 16 and 1 <= leaves <= n."""
        library = scann_library()
        from scann.scann_ops.py import scann_ops_pybind

        count, dimension = rows.shape
        leaves = recipe.leaves
        data = _encode(rows, metric)
        if metric is Metric.L2:
            measure, threshold = "squared_l2", float("nan")
        else:
            measure, threshold = "dot_product", _ANISOTROPIC_THRESHOLD
        builder = scann_ops_pybind.builder(data, 10, measure)
        spilling = {"soar_lambda": _SOAR_LAMBDA, "overretrieve_factor": _OVERRETRIEVE} if recipe.spills else {}
        sample = min(count, _SAMPLE_ROWS_MAX)
        builder.tree(leaves, leaves, training_sample_size=sample, min_partition_size=_LEAF_ROWS_MIN, **spilling)
        builder.score_ah(
            math.ceil(dimension / recipe.subspaces) if recipe.subspaces else min(2, dimension),
            anisotropic_quantization_threshold=threshold,
            training_sample_size=min(count, _CODE_SAMPLE_ROWS_MAX),
        )
        if recipe.type is IndexType.IVF_FLAT:
            builder.reorder(_REORDER_DEFAULT)
        return cls(library.ScannNumpy(data, builder.create_config(), threads), recipe, metric)

    @classmethod
    def load(cls, recipe: Recipe, directory: Path, metric: Metric) -> Self:
        """See point_index."""
        return cls(scann_library().ScannNumpy(str(directory), (directory / _ASSETS).read_text()), recipe, metric)

    def save(self, directory: Path) -> None:
        self._searcher.serialize(str(directory), True)

    @property
    def size(self) -> int:
        return int(self._searcher.size())

    def search(self, queries: Vectors, k: int, effort: int, reorder: int) -> Candidates:
        positions, scores = self._found(_encode(queries, self._metric), k, max(k, reorder), min(effort, self.effort_max))
        counts = np.full(len(queries), positions.shape[1], np.int32)
        if math.isnan(np.add.reduce(scores[:, -1])):
            missing = np.isnan(scores)
            counts = np.where(missing.any(axis=1), missing.argmax(axis=1), counts).astype(np.int32)
            scores = np.where(missing, np.float32(0), scores)
        if self._metric is Metric.COSINE:
            np.minimum(scores, _ONE, out=scores)
            np.maximum(scores, -_ONE, out=scores)
        return Candidates(positions, scores, counts)

    def _found(self, queries: Vectors, k: int, reorder: int, leaves: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
        """Positions and scores (nq, k); NaN where too few were found."""
        if len(queries) == 1:
            # A tenth quicker than a batch of one, which is needed only where it has to be filled up.
            positions, scores = self._searcher.search(queries[0], k, reorder, leaves)
            if len(positions) == k:
                return positions[None], scores[None]
        positions, scores = self._searcher.search_batched(queries, k, reorder, leaves, False, 0)
        return positions, scores

    def append(self, rows: Vectors) -> None:
        self._searcher.upsert([None] * len(rows), _encode(rows, self._metric), len(rows))

    def delete(self, positions: list[int]) -> None:
        self._searcher.delete(positions)


def _encode(rows: Vectors, metric: Metric) -> Vectors:
    return normalised(rows) if metric is Metric.COSINE else np.ascontiguousarray(rows, np.float32)
