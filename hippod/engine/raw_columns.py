"""The columns of a write as the bytes that came, which nobody looks into before the group of the write is decided.

Single rows come by the thousand, each with a few bytes a column. Arrays of one cell that are made only to be joined with those of other
requests cost more than all that is done with the rows: so a request keeps its bytes, and the group gets one array a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import BytesArray, Column, Values
from hippod.engine.shapes import Shape, shape_for

_OFFSETS: Final = np.dtype("<u4")


class RawCells(NamedTuple):
    """Where the cells of a column lie in the bytes of a request, little-endian and checked.

    Numbers: `kind` is their dtype, `width` the numbers a row of vectors has, else None. Byte strings: `kind` is their array, and at
    `offsets` one uint32 more than there are rows, rising from 0 to the bytes at `data`.
    """

    kind: np.dtype[Any] | type[BytesArray]
    data: slice
    width: int | None = None
    offsets: slice | None = None


class RawColumn(NamedTuple):
    """`valid` is where the validity mask lies, one bool a row."""

    field: str
    cells: RawCells
    valid: slice | None


class RawForm:
    """What requests of one kind have in common that differ only in their data."""

    __slots__ = ("columns", "count", "shape", "size_bytes")

    def __init__(self, kind: type, columns: Sequence[RawColumn], count: int) -> None:
        """`kind` of operation; `count` rows."""
        self.columns = tuple(columns)
        self.count = count
        self.size_bytes = sum(_length(c.cells.data) + _length(c.cells.offsets) for c in columns)
        described = [(c.field, c.cells.kind, c.cells.width, c.valid is not None) for c in columns]
        self.shape: Shape = shape_for((RawColumns, kind, *described))


def _length(where: slice | None) -> int:
    return 0 if where is None else where.stop - where.start


class RawColumns(Sequence[Column]):
    """The columns of one request; `data` is never written to again."""

    __slots__ = ("data", "form")

    def __init__(self, form: RawForm, data: bytes | memoryview) -> None:
        self.form = form
        self.data = data

    def __len__(self) -> int:
        return len(self.form.columns)

    @overload
    def __getitem__(self, at: int) -> Column: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Column]: ...
    def __getitem__(self, at: int | slice) -> Column | Sequence[Column]:
        return merged([self])[at]


def merged(parts: Sequence[RawColumns]) -> list[Column]:
    """The columns of requests of one shape, one behind the other; those of a single request are views of its data."""
    return [Column(column.field, _values(parts, place), _valid(parts, place)) for place, column in enumerate(parts[0].form.columns)]


def _values(parts: Sequence[RawColumns], place: int) -> Values:
    cells = [part.form.columns[place].cells for part in parts]
    data = _joined(parts, [c.data for c in cells])
    kind, width = cells[0].kind, cells[0].width
    if isinstance(kind, np.dtype):
        numbers: npt.NDArray[Any] = np.frombuffer(data, kind)
        return numbers if width is None else numbers.reshape(-1, width)
    offsets = np.frombuffer(_joined(parts, [c.offsets for c in cells if c.offsets is not None]), _OFFSETS)
    return kind(_continued(offsets, [part.form.count for part in parts]), np.frombuffer(data, np.uint8))


def _valid(parts: Sequence[RawColumns], place: int) -> npt.NDArray[np.bool_] | None:
    where = [column.valid for part in parts if (column := part.form.columns[place]).valid is not None]
    return np.frombuffer(_joined(parts, where), np.bool_) if where else None


def _joined(parts: Sequence[RawColumns], where: Sequence[slice]) -> bytes | memoryview:
    if len(parts) == 1:
        return memoryview(parts[0].data)[where[0]]
    return b"".join([part.data[piece] for part, piece in zip(parts, where, strict=True)])


def _continued(offsets: npt.NDArray[np.uint32], counts: Sequence[int]) -> npt.NDArray[np.int64]:
    """One run of offsets (n + 1,) from those of several parts, `counts` rows each, which all begin at 0."""
    lengths = np.diff(offsets)
    inside = np.ones(len(lengths), np.bool_)
    inside[np.cumsum(np.array(counts[:-1], np.int64) + 1) - 1] = False
    out = np.zeros(sum(counts) + 1, np.int64)
    np.cumsum(lengths[inside], out=out[1:])
    return out
