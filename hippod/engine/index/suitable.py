"""Which index types and metrics go with which kind of vectors, and which metric is meant where none is named."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeVar

from hippod.engine.operations.indexes import BINARY_TYPES, IndexType, Metric
from hippod.engine.schema import DataType, Field
from hippod.errors import Rejected

_E = TypeVar("_E", bound=enum.StrEnum)


class _Choice(NamedTuple):
    """What an index of one kind of vectors can be. The first metric is that of an index whose metric nobody named."""

    types: tuple[IndexType, ...]
    metrics: tuple[Metric, ...]


_CHOICES: Final = {
    DataType.FLOAT_VECTOR: _Choice(
        tuple(kind for kind in IndexType if kind not in BINARY_TYPES and kind is not IndexType.SPARSE_HNSW),
        (Metric.L2, Metric.IP, Metric.COSINE),
    ),
    DataType.BINARY_VECTOR: _Choice(
        (IndexType.AUTO, IndexType.BIN_FLAT, IndexType.BIN_IVF, IndexType.BIN_HNSW), (Metric.HAMMING, Metric.JACCARD)
    ),
    DataType.SPARSE_FLOAT_VECTOR: _Choice((IndexType.AUTO, IndexType.SPARSE_HNSW), (Metric.IP,)),
}


def default_metric(vectors: DataType) -> Metric:
    """The metric of vectors of this type where none is named."""
    return _CHOICES[vectors].metrics[0]


def type_and_metric(type_name: str, metric_name: str | None, field: Field) -> tuple[IndexType, Metric]:
    """What an index on `field` is, by names in any case. Raises Rejected, saying what there is, for what its vectors cannot have."""
    choice = _CHOICES[field.type]
    kind = _chosen("type", "index type", type_name.upper(), IndexType, choice.types, field)
    if metric_name is None:
        return kind, default_metric(field.type)
    return kind, _chosen("metric", "metric", metric_name.lower(), Metric, choice.metrics, field)


def check_possible(type_name: str, metric_name: str | None) -> None:
    """Raise Rejected for names that no field could have an index by, whatever its vectors are."""
    kind = _member("type", "index type", type_name.upper(), IndexType, f"there are {_listed(IndexType)}")
    possible = [metric for choice in _CHOICES.values() if kind in choice.types for metric in choice.metrics]
    takes = f"{kind.value} takes {_listed(dict.fromkeys(possible))}"
    if metric_name is not None and _member("metric", "metric", metric_name.lower(), Metric, takes) not in possible:
        raise Rejected(f"metric {metric_name.lower()} does not go with the index type: {takes}", parameter="metric")


def _chosen(parameter: str, what: str, name: str, kind: type[_E], allowed: tuple[_E, ...], field: Field) -> _E:
    takes = f"takes {_listed(allowed)}"
    found = _member(parameter, what, name, kind, f"field {field.name!r} of type {field.type} {takes}")
    if found not in allowed:
        raise Rejected(
            f"{what} {found.value} is not for field {field.name!r} of type {field.type}: it {takes}", field=field.name, parameter=parameter
        )
    return found


def _member(parameter: str, what: str, name: str, kind: type[_E], instead: str) -> _E:
    try:
        return kind(name)
    except ValueError:
        raise Rejected(f"no {what} {name[:40]!r}; {instead}", parameter=parameter) from None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
