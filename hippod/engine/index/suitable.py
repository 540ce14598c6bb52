"""Which index types and metrics go with which kind of vectors."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations.indexes import BINARY_TYPES, IndexType, Metric
from hippod.engine.schema import DataType, Field
from hippod.errors import Rejected

_SPARSE: Final = frozenset({IndexType.SPARSE_HNSW})
_TYPES: Final = {
    DataType.FLOAT_VECTOR: frozenset(IndexType) - BINARY_TYPES - _SPARSE,
    DataType.BINARY_VECTOR: BINARY_TYPES,
    DataType.SPARSE_FLOAT_VECTOR: _SPARSE,
}
_METRICS: Final = {
    DataType.FLOAT_VECTOR: frozenset({Metric.L2, Metric.IP, Metric.COSINE}),
    DataType.BINARY_VECTOR: frozenset({Metric.HAMMING, Metric.JACCARD}),
    DataType.SPARSE_FLOAT_VECTOR: frozenset({Metric.IP}),
}


def check_suitable(kind: IndexType, metric: Metric, field: Field) -> None:
    """Raise Rejected, saying what there is, for an index type or metric that the vectors of `field` cannot have."""
    for what, given, allowed in (("index type", kind, _TYPES[field.type]), ("metric", metric, _METRICS[field.type])):
        if given not in allowed:
            raise Rejected(
                f"{what} {given.value} is not for field {field.name!r} of type {field.type}: it takes {', '.join(sorted(allowed))}",
                field=field.name,
                parameter=what,
            )
