"""Recipe to index: which class builds and loads what. Used in hosts only; each engine loads its library when it is first asked."""

from __future__ import annotations

from pathlib import Path

from hippod.engine.index.faiss_binary import FaissBinaryIndex
from hippod.engine.index.faiss_index import FaissIndex
from hippod.engine.index.point_index import PointIndex
from hippod.engine.index.recipe import Engine, Recipe
from hippod.engine.index.scann_index import ScannIndex
from hippod.engine.index.vectors import Vectors
from hippod.engine.operations.indexes import BINARY_TYPES, Metric

_CLASSES: dict[Engine, type[ScannIndex | FaissIndex]] = {Engine.SCANN: ScannIndex, Engine.FAISS: FaissIndex}


def train(recipe: Recipe, rows: Vectors, metric: Metric, threads: int) -> PointIndex:
    """Build over rows (n, d), position i being row i; takes seconds to minutes."""
    return _class(recipe).train(recipe, rows, metric, threads)


def load(recipe: Recipe, directory: Path, metric: Metric) -> PointIndex:
    """An index written by `save`. The files must be known to be whole: engines do not check them."""
    return _class(recipe).load(recipe, directory, metric)


def _class(recipe: Recipe) -> type[ScannIndex | FaissIndex | FaissBinaryIndex]:
    return FaissBinaryIndex if recipe.type in BINARY_TYPES else _CLASSES[recipe.engine]
