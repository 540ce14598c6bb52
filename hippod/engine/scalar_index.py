"""A scalar index of one field of one tablet: its rows in the order of their cells, so that a filter looks only at rows that can match.

The distinct values are kept sorted, with the slots of each one's rows; arrays are there with each of their elements. Published cells never
change and rows only come behind, so what was sorted stays true: rows that came since are candidates of every question, until there are so
many that all is sorted anew. Nulls are left out, for no comparison is true for them. The dead stay until then; who asks drops them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import ListArray, StringArray, Values, slice_values, take_values
from hippod.engine.expr import ColumnSource, Run

_UNSORTED_MIN: Final = 1_024
_UNSORTED_SHARE: Final = 8
_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)

Slots = npt.NDArray[np.int64]


class SortedCells:
    """The rows below `covered`, by distinct value: those of value i are slots[starts[i]:starts[i + 1]]. Satisfies expr.SortedColumn."""

    def __init__(self, values: npt.NDArray[Any] | StringArray, starts: Slots, slots: Slots, covered: int) -> None:
        self.covered = covered
        self._values = values
        self._starts = starts
        self._slots = slots

    @classmethod
    def of(cls, values: Values, valid: npt.NDArray[np.bool_] | None, count: int) -> SortedCells:
        """Sort the first `count` cells."""
        slots = np.arange(count, dtype=np.int64) if valid is None else np.flatnonzero(valid[:count]).astype(np.int64)
        cells = take_values(slice_values(values, 0, count), slots)
        if isinstance(cells, ListArray):
            slots = np.repeat(slots, cells.lengths())
            cells = cells.values
        distinct: npt.NDArray[Any] | StringArray
        if isinstance(cells, StringArray):
            texts = cells.to_bytes_list()
            ordered = sorted(set(texts))
            place = {text: at for at, text in enumerate(ordered)}
            ranks = np.fromiter((place[text] for text in texts), np.int64, len(texts))
            distinct = StringArray.of_bytes(ordered)
        else:
            assert isinstance(cells, np.ndarray)
            distinct, ranks = np.unique(cells, return_inverse=True)
        starts = np.zeros(len(distinct) + 1, np.int64)
        np.cumsum(np.bincount(ranks, minlength=len(distinct)), out=starts[1:])
        return cls(distinct, starts, slots[np.argsort(ranks, kind="stable")], count)

    def runs(self, operator: str, value: Any) -> list[Run]:
        left, right = self._place(value)
        first, last = {"==": (left, right), "<": (0, left), "<=": (0, right), ">": (right, None), ">=": (left, None)}[operator]
        run = int(self._starts[first]), int(self._starts[len(self._values) if last is None else last])
        return [run] if run[0] < run[1] else []

    def runs_of(self, values: Iterable[Any]) -> list[Run]:
        return [run for value in values for run in self.runs("==", value)]

    def slots(self, run: Run) -> Slots:
        return self._slots[run[0] : run[1]]

    @property
    def memory_bytes(self) -> int:
        values = self._values
        cells = values.nbytes if isinstance(values, np.ndarray) else values.offsets.nbytes + values.data.nbytes
        return cells + self._starts.nbytes + self._slots.nbytes

    def _place(self, value: Any) -> tuple[int, int]:
        """How many distinct values are below it, and how many are not above it."""
        values = self._values
        if isinstance(values, StringArray):
            at = _bisect(values, value)
            return at, at + (at < len(values) and values.bytes_at(at) == value)
        if values.dtype.kind == "i":
            info = np.iinfo(values.dtype)
            if not info.min <= value <= info.max:
                return (0, 0) if value < info.min else (len(values), len(values))
        if values.dtype != np.float32 or abs(value) <= _FLOAT32_MAX:
            value = values.dtype.type(value)  # As the column would store it: that is how a filter compares.
        return int(np.searchsorted(values, value, "left")), int(np.searchsorted(values, value, "right"))


class ScalarIndex:
    """One field's sorted cells, kept up to date as rows come. Asked in any thread; the one that finds it needed sorts."""

    def __init__(self) -> None:
        self._sorted: SortedCells | None = None
        self._lock = threading.Lock()

    @property
    def memory_bytes(self) -> int:
        return 0 if self._sorted is None else self._sorted.memory_bytes

    def of(self, field: str, columns: ColumnSource, count: int) -> SortedCells:
        """The sorted cells to use for the first `count` rows; never called on the event loop, for it may sort them all."""
        with self._lock:
            found = self._sorted
            unsorted = count if found is None else count - found.covered
            if found is None or (unsorted > _UNSORTED_MIN and unsorted * _UNSORTED_SHARE > count):
                found = self._sorted = SortedCells.of(columns.values(field), columns.valid(field), count)
            return found


def _bisect(values: StringArray, wanted: bytes) -> int:
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values.bytes_at(middle) < wanted:
            low = middle + 1
        else:
            high = middle
    return low
