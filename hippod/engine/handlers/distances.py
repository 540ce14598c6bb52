"""Distances between vectors that are given and vectors that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from hippod.engine.addresses import gather_cells
from hippod.engine.arrays import SparseArray, Values, take_values
from hippod.engine.index import exact_binary, exact_sparse
from hippod.engine.index.exact import score_directly
from hippod.engine.index.parameters import member
from hippod.engine.index.suitable import default_metric
from hippod.engine.normalize import normalize_keys
from hippod.engine.operations import Distance, DistanceResult, GivenVectors, Metric, StoredVectors
from hippod.engine.operations.distances import DISTANCE_VECTORS_MAX, DISTANCES_MAX
from hippod.engine.schema import DataType, Field
from hippod.engine.vector_cells import Vectors, check_finite, normalize_vectors
from hippod.errors import InvalidVector, LimitExceeded, NotFound, TypeMismatch

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


_FORMS: Final = {
    Metric.L2: ("float",),
    Metric.IP: ("float", "sparse"),
    Metric.COSINE: ("float",),
    Metric.HAMMING: ("binary",),
    Metric.JACCARD: ("binary",),
}
_TYPES: Final = {"float": DataType.FLOAT_VECTOR, "binary": DataType.BINARY_VECTOR, "sparse": DataType.SPARSE_FLOAT_VECTOR}


async def distance(engine: Engine, operation: Distance, _deadline: float | None) -> DistanceResult:
    named = None if operation.metric is None else member(Metric, "metric", operation.metric.lower())
    left, right = (_vectors(engine, name, side) for name, side in (("left", operation.left), ("right", operation.right)))
    metric = named or default_metric(_TYPES[_form(left)])
    for name, vectors in (("left", left), ("right", right)):
        if _form(vectors) not in _FORMS[metric]:
            raise TypeMismatch(f"{metric} compares {' or '.join(_FORMS[metric])} vectors, the {name} ones are {_form(vectors)}", field=name)
    _check_alike(left, right)
    if len(left) * len(right) > DISTANCES_MAX:
        raise LimitExceeded(f"left times right is at most {DISTANCES_MAX}, not {len(left) * len(right)}", limit=DISTANCES_MAX)
    if metric is Metric.COSINE:
        for name, vectors in (("left", left), ("right", right)):
            assert isinstance(vectors, np.ndarray)
            check_finite(name, vectors.astype(np.float32, copy=False), zero_refused=True)
    return DistanceResult(await engine.pool.run(_distances, left, right, metric))


def _form(vectors: Vectors) -> str:
    if isinstance(vectors, SparseArray):
        return "sparse"
    return "binary" if vectors.dtype == np.uint8 else "float"


def _check_alike(left: Vectors, right: Vectors) -> None:
    if _form(left) != _form(right):
        raise TypeMismatch(f"the left vectors are {_form(left)} ones, the right {_form(right)} ones", field="right")
    if isinstance(left, SparseArray) or isinstance(right, SparseArray):
        return
    if left.shape[1] != right.shape[1]:
        bits = 8 if left.dtype == np.uint8 else 1
        raise InvalidVector(
            f"the left vectors have dimension {left.shape[1] * bits}, the right ones {right.shape[1] * bits}", field="right"
        )


def _distances(left: Any, right: Any, metric: Metric) -> npt.NDArray[np.float32]:
    if isinstance(right, SparseArray):
        return exact_sparse.products(right, left)
    if right.dtype == np.uint8:
        return exact_binary.distances(right, left, metric)
    candidates = np.broadcast_to(np.arange(len(right)), (len(left), len(right)))
    with np.errstate(over="ignore"):
        return score_directly(right, left, candidates, metric)


def _vectors(engine: Engine, name: str, side: StoredVectors | GivenVectors) -> Vectors:
    """The vectors of a side in storage form. Raises Rejected and its descendants, with the side named."""
    if isinstance(side, GivenVectors):
        if not 1 <= len(side.vectors) <= DISTANCE_VECTORS_MAX:
            raise LimitExceeded(
                f"there are 1 to {DISTANCE_VECTORS_MAX} {name} vectors, not {len(side.vectors)}", limit=DISTANCE_VECTORS_MAX
            )
        return normalize_vectors(_field_of(name, side.vectors), side.vectors, name, zero_refused=False)
    table = engine.table(side.database, side.table)
    field = table.vector_field(side.field)
    keys = normalize_keys(table.schema, side.keys, DISTANCE_VECTORS_MAX)
    addresses = table.keys.lookup(keys)
    missing = np.flatnonzero(addresses < 0)
    if len(missing):
        key = take_values(keys, missing[:1])
        shown = key.tolist()[0] if isinstance(key, np.ndarray) else key.to_list()[0]
        raise NotFound(f"Primary key does not exist: {shown}", field=name, position=int(missing[0]))
    stored = gather_cells(table.tablets, field, addresses).values
    return normalize_vectors(field, stored, name, zero_refused=False)


def _field_of(name: str, vectors: Values) -> Field:
    """A field that would have such vectors."""
    if isinstance(vectors, SparseArray):
        return Field(name, DataType.SPARSE_FLOAT_VECTOR)
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2:
        raise TypeMismatch(f"the {name} vectors are a float32 or uint8 block of shape (n, dimension), or sparse", field=name)
    if vectors.dtype == np.uint8:
        return Field(name, DataType.BINARY_VECTOR, dimension=8 * vectors.shape[1])
    return Field(name, DataType.FLOAT_VECTOR, dimension=vectors.shape[1])
