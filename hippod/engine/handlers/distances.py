"""Distances between vectors that are given and vectors that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hippod.engine.addresses import gather_cells
from hippod.engine.arrays import take_values
from hippod.engine.index.exact import score_directly
from hippod.engine.index.parameters import member
from hippod.engine.normalize import check_vectors, normalize_keys
from hippod.engine.operations import Distance, DistanceResult, GivenVectors, Metric, StoredVectors
from hippod.engine.operations.distances import DISTANCE_VECTORS_MAX, DISTANCES_MAX
from hippod.errors import InvalidVector, LimitExceeded, NotFound, TypeMismatch

if TYPE_CHECKING:
    from hippod.engine.engine import Engine

Vectors = npt.NDArray[np.float32]


async def distance(engine: Engine, operation: Distance, _deadline: float | None) -> DistanceResult:
    metric = member(Metric, "metric", operation.metric.lower())
    left, right = (_vectors(engine, name, side) for name, side in (("left", operation.left), ("right", operation.right)))
    if left.shape[1] != right.shape[1]:
        raise InvalidVector(f"the left vectors have dimension {left.shape[1]}, the right ones {right.shape[1]}", field="right")
    if len(left) * len(right) > DISTANCES_MAX:
        raise LimitExceeded(f"left times right is at most {DISTANCES_MAX}, not {len(left) * len(right)}", limit=DISTANCES_MAX)
    for name, vectors in (("left", left), ("right", right)):
        check_vectors(name, vectors, zero_refused=metric is Metric.COSINE)
    return DistanceResult(await engine.pool.run(_distances, left, right, metric))


def _distances(left: Vectors, right: Vectors, metric: Metric) -> Vectors:
    candidates = np.broadcast_to(np.arange(len(right)), (len(left), len(right)))
    with np.errstate(over="ignore"):
        return score_directly(right, left, candidates, metric)


def _vectors(engine: Engine, name: str, side: StoredVectors | GivenVectors) -> Vectors:
    """float32 (n, dimension). Raises Rejected and its descendants, with the side named."""
    if isinstance(side, GivenVectors):
        found = side.vectors
        if found.ndim != 2 or found.dtype != np.float32:
            raise TypeMismatch(f"the {name} vectors are a float32 block of shape (n, dimension)", field=name)
        if not 1 <= len(found) <= DISTANCE_VECTORS_MAX:
            raise LimitExceeded(f"there are 1 to {DISTANCE_VECTORS_MAX} {name} vectors, not {len(found)}", limit=DISTANCE_VECTORS_MAX)
        return found
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
    assert isinstance(stored, np.ndarray)
    return stored.astype(np.float32, copy=False)
