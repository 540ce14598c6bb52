"""A compiled filter expression: what the rest of the engine sees of this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import StringArray, Values, take_values
from hippod.engine.expr.check import Checker
from hippod.engine.expr.evaluate import Cells, ColumnSource, Compare, OneOf, Predicate
from hippod.engine.expr.narrow import SortedColumn, candidates
from hippod.engine.expr.parser import parse
from hippod.engine.expr.ranges import RangeTest, values_of
from hippod.engine.schema import Field, Schema

# Looking at a cell by its slot costs about so many times what it costs in a row of cells.
_GATHER_COST: Final = 4

Mask = npt.NDArray[np.bool_]


class Selection(NamedTuple):
    """`slots` of rows that match, rising; `examined` rows were looked at for it."""

    slots: npt.NDArray[np.int64]
    examined: int


class _Gathered:
    """The columns of some rows alone."""

    def __init__(self, columns: ColumnSource, rows: npt.NDArray[np.int64]) -> None:
        self._columns = columns
        self._rows = rows

    def values(self, name: str) -> Values:
        return take_values(self._columns.values(name), self._rows)

    def valid(self, name: str) -> Mask | None:
        valid = self._columns.valid(name)
        return None if valid is None else valid[self._rows]


class Filter:
    """Immutable; may be evaluated in any thread, many times. `fields` are the names of the fields it reads."""

    def __init__(self, predicate: Predicate, fields: frozenset[str], key: Field) -> None:
        self.fields = fields
        self._predicate = predicate
        self._keys = _keys_of(predicate, key)

    def mask(self, columns: ColumnSource, count: int) -> npt.NDArray[np.bool_]:
        """bool (count,): which of the first `count` rows match, dead ones too. No row matches where the answer is unknown (null)."""
        return self._predicate.evaluate(Cells(columns, count)).true

    def select(self, columns: ColumnSource, alive: Mask, indexes: Mapping[str, SortedColumn]) -> Selection:
        """The living rows that match among the first len(alive), by the way that looks at fewer rows: all of them, or those that sorted
        columns say may match."""
        count = len(alive)
        found = candidates(self._predicate, indexes)
        if found is None or (found.count + max(0, count - found.covered)) * _GATHER_COST > count:
            mask = self.mask(columns, count) & alive
            return Selection(np.flatnonzero(mask), count)
        rows = found.slots(count)
        rows = rows[alive[rows]]
        return Selection(self.among(columns, rows), len(rows))

    def among(self, columns: ColumnSource, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Those of `rows` that match."""
        return rows[self.mask(_Gathered(columns, rows), len(rows))]

    def select_from(self, columns: ColumnSource, first: int, alive: Mask) -> Selection:
        """The living rows that match from slot `first` on; no others are looked at."""
        rows = first + np.flatnonzero(alive[first:])
        return Selection(rows[self.mask(_Gathered(columns, rows), len(rows))], len(rows))

    def key_values(self) -> Values | None:
        """The primary keys that the filter names, if it is nothing but `key == x` or `key in [...]`: then a lookup answers it."""
        return self._keys

    def range_test(self) -> RangeTest:
        """For asking whether it can match rows whose fields lie in certain ranges."""
        return RangeTest(self._predicate)

    def values_of(self, field: str) -> frozenset[Any] | None:
        """All values, in storage form, that a field can have in a row that matches; None if any."""
        return values_of(self._predicate, field)


def compile_filter(text: str, schema: Schema) -> Filter:
    """The filter that `text` means for tables of this schema.

    Raises FilterError: `details["column"]` is the 1-based column of the text that is at fault, and the message begins with it.
    """
    checker = Checker(schema)
    predicate = checker.bind(parse(text))
    return Filter(predicate, frozenset(checker.fields), schema.primary_key)


def _keys_of(predicate: Predicate, key: Field) -> Values | None:
    if isinstance(predicate, Compare) and predicate.field == key.name and predicate.operator == "==":
        return _key_array(key, [predicate.value])
    if isinstance(predicate, OneOf) and predicate.field == key.name:
        return _key_array(key, sorted(predicate.values))
    return None


def _key_array(key: Field, values: list[Any]) -> Values:
    if key.type.is_string:
        return StringArray.of_bytes(values)
    info = np.iinfo(key.type.dtype)
    return np.array([value for value in values if info.min <= value <= info.max], key.type.dtype)
