"""Statistics of the cells of a tablet's fields. Exact: every living cell is looked at; runs in the search pool."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import BytesArray, ListArray, SparseArray, Values, take_values
from hippod.engine.operations.maintenance import FieldStatistics
from hippod.engine.schema import Field
from hippod.engine.tablet import Tablet

_VECTOR_BYTES_AT_ONCE: Final = 16 << 20


def field_statistics(tablet: Tablet, field: Field, count: int, alive: npt.NDArray[np.bool_]) -> FieldStatistics:
    """Of the first `count` rows of a tablet, as far as they are `alive`."""
    slots = np.flatnonzero(alive)
    if field.is_vector:
        return FieldStatistics(field.name, len(slots), _distinct_vectors(tablet, field, count, slots), 0.0, 0.0)
    valid = tablet.columns.valid(field)
    kept = slots if valid is None else slots[valid[slots]]
    values = take_values(tablet.columns.values(field), kept)
    nulls = (len(slots) - len(kept)) / len(slots) if len(slots) else 0.0
    ranks, distinct = _ranks(values)
    return FieldStatistics(field.name, len(kept), distinct, round(nulls, 6), _correlation(ranks))


def _ranks(values: Values) -> tuple[npt.NDArray[np.int64] | None, int]:
    """The place of each value among the distinct ones (None where there is no order), and how many these are."""
    if isinstance(values, ListArray):
        return None, len({tuple(cell) for cell in values.to_list()})
    if isinstance(values, BytesArray):
        cells = values.to_bytes_list()
        place = {cell: at for at, cell in enumerate(sorted(set(cells)))}
        return np.fromiter((place[cell] for cell in cells), np.int64, len(cells)), len(place)
    assert isinstance(values, np.ndarray)
    distinct, ranks = np.unique(values, return_inverse=True)
    return ranks.astype(np.int64), len(distinct)


def _correlation(ranks: npt.NDArray[np.int64] | None) -> float:
    """Pearson's coefficient of rank and position."""
    if ranks is None or len(ranks) < 2:
        return 0.0
    of_values = ranks - ranks.mean()
    of_rows = np.arange(len(ranks)) - (len(ranks) - 1) / 2
    spread = float(np.sqrt((of_values @ of_values) * (of_rows @ of_rows)))
    return round(float(of_values @ of_rows) / spread, 6) if spread else 0.0


def _distinct_vectors(tablet: Tablet, field: Field, count: int, slots: npt.NDArray[np.int64]) -> int:
    """Counted by a hash of 64 bits: at a million vectors one chance in ten million that two differing ones count as one."""
    vectors = tablet.vectors(field).view(count)
    step = max(1, _VECTOR_BYTES_AT_ONCE // field.vector_bytes)
    seen: set[int] = set()
    for start in range(0, len(slots), step):
        part = take_values(vectors, slots[start : start + step])
        seen.update(hash(row) for row in _rows_as_bytes(part))
    return len(seen)


def _rows_as_bytes(vectors: Values) -> Iterator[bytes]:
    if isinstance(vectors, SparseArray):
        for start, stop in itertools.pairwise(vectors.offsets.tolist()):
            yield vectors.indices[start:stop].tobytes() + vectors.values[start:stop].tobytes()
    else:
        assert isinstance(vectors, np.ndarray)
        for row in vectors:
            yield row.tobytes()
