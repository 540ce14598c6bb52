"""Whether a filter can be true at all where some fields are known to lie in ranges: what partitions are pruned by.

An answer of False is certain; True means that nobody knows without looking at the rows.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np

from hippod.engine.expr.evaluate import AllOf, AnyOf, Compare, Constant, IsNull, Negation, OneOf, Predicate, Whenever

_OPPOSITE: Final = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


class Range(NamedTuple):
    """Cells that are not null, in storage form (strings as bytes), from `low` to below `high`, or to `high` if `closed`; None: no end."""

    low: Any
    high: Any
    closed: bool

    def can_be(self, operator: str, value: Any) -> bool:
        """Whether some cell of the range compares so."""
        low, high, closed = self
        match operator:
            case "==":
                return (low is None or low <= value) and (high is None or value < high or (closed and value == high))
            case "!=":
                return not (closed and low is not None and low == high == value)
            case "<":
                return low is None or bool(low < value)
            case "<=":
                return low is None or bool(low <= value)
            case ">":
                return high is None or bool(high > value)
        return high is None or bool(high > value) or (closed and bool(high == value))


class RangeTest:
    """One predicate, asked about many sets of ranges, by field name."""

    def __init__(self, predicate: Predicate) -> None:
        self._predicate = predicate
        self._sorted: dict[int, list[Any]] = {}

    def can_be_true(self, ranges: Mapping[str, Range]) -> bool:
        """Whether some row with its fields in these ranges can match."""
        return self._can(self._predicate, ranges)

    def _can(self, predicate: Predicate, ranges: Mapping[str, Range]) -> bool:
        match predicate:
            case Constant(value):
                return value is True
            case Whenever(_, value):
                return value
            case AllOf(parts):
                return all(self._can(part, ranges) for part in parts)
            case AnyOf(parts):
                return any(self._can(part, ranges) for part in parts)
            case Compare(field, operator, value):
                return field not in ranges or ranges[field].can_be(operator, value)
            case OneOf(field, _):
                return field not in ranges or self._has_one_in(predicate, ranges[field])
            case IsNull(field):
                return field not in ranges
            case Negation(part):
                return self._can_fail(part, ranges)
        return True

    def _can_fail(self, predicate: Predicate, ranges: Mapping[str, Range]) -> bool:
        """Whether the predicate can be false, not merely unknown."""
        match predicate:
            case Constant(value):
                return value is False
            case AllOf(parts):
                return any(self._can_fail(part, ranges) for part in parts)
            case AnyOf(parts):
                return all(self._can_fail(part, ranges) for part in parts)
            case Compare(field, operator, value):
                return field not in ranges or ranges[field].can_be(_OPPOSITE[operator], value)
            case OneOf(field, _) if field in ranges:
                low, high, closed = ranges[field]
                return not (closed and low is not None and low == high and self._has_one_in(predicate, ranges[field]))
            case Negation(part):
                return self._can(part, ranges)
        return True

    def _has_one_in(self, test: OneOf, cells: Range) -> bool:
        values = self._sorted.get(id(test))
        if values is None:
            values = self._sorted[id(test)] = sorted(test.values.tolist() if isinstance(test.values, np.ndarray) else test.values)
        first = 0 if cells.low is None else bisect_left(values, cells.low)
        if cells.high is None:
            return first < len(values)
        return first < (bisect_right(values, cells.high) if cells.closed else bisect_left(values, cells.high))


def values_of(predicate: Predicate, field: str) -> frozenset[Any] | None:
    """All values, in storage form, that the field can have in a row that matches; None if any."""
    match predicate:
        case Compare(name, "==", value) if name == field:
            return frozenset((value,))
        case OneOf(name, values) if name == field:
            return frozenset(values.tolist() if isinstance(values, np.ndarray) else values)
        case AllOf(parts):
            known = [found for found in (values_of(part, field) for part in parts) if found is not None]
            return frozenset.intersection(*known) if known else None
        case AnyOf(parts):
            each = [values_of(part, field) for part in parts]
            return None if None in each else frozenset(chain.from_iterable(found for found in each if found is not None))
        case Constant(value) if value is not True:
            return frozenset()
    return None
