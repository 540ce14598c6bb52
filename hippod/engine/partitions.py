"""The partitions of a table: to which one a row belongs, and in which ones a filter can find rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import StringArray, Values, take_values
from hippod.engine.catalog import PartitioningDefinition
from hippod.engine.expr import Filter, Range
from hippod.engine.expr.strings import signs
from hippod.engine.operations import PartitionKind
from hippod.engine.placement import combined_hash, hash_values
from hippod.engine.rowblock import ColumnData
from hippod.engine.schema import DataType, Field, Schema

# More combinations of values than this are not followed through the hash: a filter that names so many is tried everywhere.
_COMBINATIONS_MAX: Final = 1_024

Places = npt.NDArray[np.int64]


class Partitions:
    """Immutable. A place is the position of a partition in the definition."""

    def __init__(self, definition: PartitioningDefinition, schema: Schema) -> None:
        self._kind = definition.kind
        self._count = len(definition.partitions)
        self.fields: tuple[Field, ...] = tuple(definition.fields_of(schema))
        self._bounds: list[Values] = []
        self._ranges: list[dict[str, Range]] = []
        if definition.kind is not PartitionKind.HASH:
            cells = [[partition.bound[at] for partition in definition.partitions] for at in range(len(self.fields))]
            self._bounds = [_column(field, values) for field, values in zip(self.fields, cells, strict=True)]
            self._ranges = _ranges(definition.kind, self.fields, [partition.bound for partition in definition.partitions])

    def places(self, columns: Mapping[int, ColumnData]) -> Places:
        """int64 (n,): the place of each row, -1 where there is none for it; `columns` by field number."""
        cells = [columns[field.number] for field in self.fields]
        rows = len(cells[0].values)
        if self._kind is PartitionKind.HASH:
            hashes = combined_hash([_hashed(data) for data in cells])
            return (hashes % np.uint64(self._count)).astype(np.int64)
        if not self._count:
            return np.full(rows, -1, np.int64)
        reached = self._bounds_reached([data.values for data in cells], rows)
        if self._kind is PartitionKind.RANGE:
            places = np.where(reached < self._count, reached, -1)
        else:
            last = np.maximum(reached - 1, 0)
            places = np.where((reached > 0) & (self._signs([data.values for data in cells], last) == 0), last, -1)
        for data in cells:
            if data.valid is not None:
                places[~data.valid] = -1
        return places

    def possible(self, condition: Filter) -> list[int]:
        """The places of the partitions that can have rows that match."""
        if self._kind is not PartitionKind.HASH:
            test = condition.range_test()
            return [place for place, ranges in enumerate(self._ranges) if test.can_be_true(ranges)]
        values = [condition.values_of(field.name) for field in self.fields]
        named = [_fitting(f, found) for f, found in zip(self.fields, values, strict=True) if found is not None]
        if len(named) < len(values) or prod(map(len, named)) > _COMBINATIONS_MAX:
            return list(range(self._count))
        rows = list(product(*named))
        columns = {f.number: ColumnData(_column(f, [row[at] for row in rows])) for at, f in enumerate(self.fields)}
        return np.unique(self.places(columns)).tolist() if rows else []

    def _bounds_reached(self, cells: Sequence[Values], rows: int) -> Places:
        """How many bounds are at or below each row: all rows take one step of a binary search at a time."""
        low, high = np.zeros(rows, np.int64), np.full(rows, self._count, np.int64)
        while (going := low < high).any():
            middle = np.minimum((low + high) // 2, self._count - 1)
            reached = self._signs(cells, middle) >= 0
            low, high = np.where(going & reached, middle + 1, low), np.where(going & ~reached, middle, high)
        return low

    def _signs(self, cells: Sequence[Values], at: Places) -> npt.NDArray[np.int8]:
        """int8 (n,): how each row compares to the bound at its place, field by field."""
        out = np.zeros(len(at), np.int8)
        for values, bounds in zip(cells, self._bounds, strict=True):
            out = np.where(out == 0, _compared(values, take_values(bounds, at)), out)
        return out


def _column(field: Field, values: Sequence[Any]) -> Values:
    """Cells in storage form; strings may be text or bytes."""
    if field.type.is_string:
        return StringArray.of_bytes([value.encode() if isinstance(value, str) else value for value in values])
    return np.array(values, field.type.dtype)


def _compared(values: Values, others: Values) -> npt.NDArray[np.int8]:
    if isinstance(values, StringArray):
        assert isinstance(others, StringArray)
        return signs(values, others)
    assert isinstance(values, np.ndarray)
    assert isinstance(others, np.ndarray)
    return np.greater(values, others).astype(np.int8) - np.less(values, others).astype(np.int8)


def _hashed(data: ColumnData) -> npt.NDArray[np.uint64]:
    """Nulls are all alike, whatever the cell below them is."""
    hashes = hash_values(data.values)
    return hashes if data.valid is None else np.where(data.valid, hashes, np.uint64(0))


def _ranges(kind: PartitionKind, fields: Sequence[Field], bounds: Sequence[tuple[Any, ...]]) -> list[dict[str, Range]]:
    """In which ranges the fields of each partition's rows lie."""
    if kind is PartitionKind.SINGLE_VALUE:
        return [{f.name: _range(f, cell, cell, closed=True) for f, cell in zip(fields, bound, strict=True)} for bound in bounds]
    # Of several fields only the first has a range of its own, and both its ends belong to it.
    first, closed = fields[0], len(fields) > 1
    lows = [None, *(bound[0] for bound in bounds)]
    return [{first.name: _range(first, low, bound[0], closed=closed)} for low, bound in zip(lows, bounds, strict=False)]


def _range(field: Field, low: Any, high: Any, *, closed: bool) -> Range:
    if field.type is DataType.FLOAT:
        # A filter's numbers are rounded to float32 only when they meet the cells: one step of room for that.
        down, up = np.float32(-np.inf), np.float32(np.inf)
        return Range(None if low is None else float(np.nextafter(np.float32(low), down)), float(np.nextafter(np.float32(high), up)), True)
    low, high = (cell.encode() if isinstance(cell, str) else cell for cell in (low, high))
    return Range(low, high, closed)


def _fitting(field: Field, values: Iterable[Any]) -> list[Any]:
    """Those values that a cell can have at all."""
    if field.type.is_string or field.type is DataType.BOOL:
        return list(values)
    info = np.iinfo(field.type.dtype)
    return [value for value in values if info.min <= value <= info.max]
