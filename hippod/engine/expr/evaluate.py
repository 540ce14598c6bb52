"""Typed predicates over the columns of a tablet, a whole column at a time, in the three-valued logic of SQL.

A predicate gives two masks: where it is true, and where it is known (None: everywhere). What is true is known. A filter keeps the
rows where it is true, so a comparison with null keeps none, and neither does its negation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import ListArray, StringArray, Values, slice_values
from hippod.engine.expr.strings import LikePattern, Mask, equal_to_any, signs

OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)


class ColumnSource(Protocol):
    """The columns that a filter reads, by field name; only the first `count` cells are looked at."""

    def values(self, name: str) -> Values: ...

    def valid(self, name: str) -> npt.NDArray[np.bool_] | None: ...


class Truth(NamedTuple):
    true: Mask
    known: Mask | None


class Cells:
    """The first `count` cells of each column; no column is fetched twice."""

    def __init__(self, source: ColumnSource, count: int) -> None:
        self.count = count
        self._source = source
        self._fetched: dict[str, tuple[Values, Mask | None]] = {}

    def of(self, field: str) -> tuple[Values, Mask | None]:
        found = self._fetched.get(field)
        if found is None:
            valid = self._source.valid(field)
            found = slice_values(self._source.values(field), 0, self.count), None if valid is None else valid[: self.count]
            self._fetched[field] = found
        return found

    def truth(self, true: Mask, *valid: Mask | None) -> Truth:
        """`true` where all is valid."""
        masks = [mask for mask in valid if mask is not None]
        if not masks:
            return Truth(true, None)
        known = reduce(np.logical_and, masks)
        return Truth(true & known, known)


class Predicate(Protocol):
    def evaluate(self, cells: Cells) -> Truth: ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for every row; None is unknown."""

    value: bool | None

    def evaluate(self, cells: Cells) -> Truth:
        return Truth(np.full(cells.count, self.value is True), None if self.value is not None else np.zeros(cells.count, np.bool_))


@dataclass(frozen=True, slots=True)
class Whenever:
    """`value` wherever the field is not null: what a comparison is that the type of the field has decided."""

    field: str
    value: bool

    def evaluate(self, cells: Cells) -> Truth:
        return cells.truth(np.full(cells.count, self.value), cells.of(self.field)[1])


@dataclass(frozen=True, slots=True)
class Compare:
    """Field against a value of its own kind: int, float or bool for numbers, bytes for strings."""

    field: str
    operator: str
    value: int | float | bytes

    def evaluate(self, cells: Cells) -> Truth:
        values, valid = cells.of(self.field)
        if isinstance(values, StringArray):
            assert isinstance(self.value, bytes)
            if self.operator in ("==", "!="):
                same = equal_to_any(values, [self.value])
                return cells.truth(same if self.operator == "==" else ~same, valid)
            return cells.truth(OPERATORS[self.operator](signs(values, StringArray.of_bytes([self.value])), 0), valid)
        return cells.truth(compare_numbers(values, self.operator, self.value), valid)


@dataclass(frozen=True, slots=True)
class ComparePair:
    """Field against field of the same kind."""

    left: str
    operator: str
    right: str

    def evaluate(self, cells: Cells) -> Truth:
        left, left_valid = cells.of(self.left)
        right, right_valid = cells.of(self.right)
        if isinstance(left, StringArray) and isinstance(right, StringArray):
            return cells.truth(OPERATORS[self.operator](signs(left, right), 0), left_valid, right_valid)
        return cells.truth(OPERATORS[self.operator](left, right), left_valid, right_valid)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Whether the field has one of the values, given in storage form: an array of its dtype, or strings as bytes."""

    field: str
    values: npt.NDArray[Any] | frozenset[bytes]

    def evaluate(self, cells: Cells) -> Truth:
        values, valid = cells.of(self.field)
        return cells.truth(is_one_of(values, self.values), valid)


@dataclass(frozen=True, slots=True)
class Elements:
    """Whether some element of an array has one of the values; `every`: whether each value is an element."""

    field: str
    values: tuple[npt.NDArray[Any] | frozenset[bytes], ...]

    def evaluate(self, cells: Cells) -> Truth:
        lists, valid = cells.of(self.field)
        assert isinstance(lists, ListArray)
        first, last = int(lists.offsets[0]), int(lists.offsets[-1])
        elements = slice_values(lists.values, first, last)
        true = np.ones(cells.count, np.bool_)
        for wanted in self.values:
            found = np.zeros(last - first + 1, np.int64)
            np.cumsum(is_one_of(elements, wanted), out=found[1:])
            true &= found[lists.offsets[1:] - first] > found[lists.offsets[:-1] - first]
        return cells.truth(true, valid)


@dataclass(frozen=True, slots=True)
class MatchesPattern:
    field: str
    pattern: LikePattern

    def evaluate(self, cells: Cells) -> Truth:
        values, valid = cells.of(self.field)
        assert isinstance(values, StringArray)
        return cells.truth(self.pattern.match(values), valid)


@dataclass(frozen=True, slots=True)
class IsNull:
    field: str

    def evaluate(self, cells: Cells) -> Truth:
        valid = cells.of(self.field)[1]
        return Truth(np.zeros(cells.count, np.bool_) if valid is None else ~valid, None)


@dataclass(frozen=True, slots=True)
class Negation:
    part: Predicate

    def evaluate(self, cells: Cells) -> Truth:
        true, known = self.part.evaluate(cells)
        return Truth(~true if known is None else known & ~true, known)


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Predicate, ...]

    def evaluate(self, cells: Cells) -> Truth:
        return reduce(_both, (part.evaluate(cells) for part in self.parts))


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Predicate, ...]

    def evaluate(self, cells: Cells) -> Truth:
        return reduce(_either, (part.evaluate(cells) for part in self.parts))


def _both(a: Truth, b: Truth) -> Truth:
    if a.known is None and b.known is None:
        return Truth(a.true & b.true, None)
    return Truth(a.true & b.true, (a.true & b.true) | _false(a) | _false(b))


def _either(a: Truth, b: Truth) -> Truth:
    if a.known is None and b.known is None:
        return Truth(a.true | b.true, None)
    return Truth(a.true | b.true, a.true | b.true | (_false(a) & _false(b)))


def _false(truth: Truth) -> Mask:
    return ~truth.true if truth.known is None else truth.known & ~truth.true


def compare_numbers(values: Values, sign: str, value: float | bytes) -> Mask:
    """A number that float32 cannot hold is compared in float64; all others as the column would store them."""
    assert isinstance(values, np.ndarray)
    assert not isinstance(value, bytes)
    if values.dtype == np.float32 and abs(value) > _FLOAT32_MAX:
        values = values.astype(np.float64)
    result: Mask = OPERATORS[sign](values, value)
    return result


def is_one_of(values: Values, wanted: npt.NDArray[Any] | frozenset[bytes]) -> Mask:
    if isinstance(values, StringArray):
        assert isinstance(wanted, frozenset)
        return equal_to_any(values, wanted)
    assert isinstance(values, np.ndarray)
    assert isinstance(wanted, np.ndarray)
    if len(wanted) == 1:
        single: Mask = values == wanted[0]
        return single
    return np.isin(values, wanted)
