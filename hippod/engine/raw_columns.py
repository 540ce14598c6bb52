"""The columns of a write as the bytes that came, which nobody looks into before the group of the write is decided.

Single rows come by the thousand, each with a few bytes a column. Arrays of one cell that are made only to be joined with those of other
requests cost more than all that is done with the rows: so a request keeps its bytes, and the group gets one array a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import BytesArray, Column, Values
from hippod.engine.shapes import Shape, shape_for

_ENDS: Final = np.dtype("<u4")
_NOWHERE: Final = slice(0, 0)
_LONG_BYTES: Final = 64 << 10


class RawCells(NamedTuple):
    """Where the cells of a column lie in the bytes of a request, little-endian and checked.

    Numbers: `kind` is their dtype, `width` the numbers a row of vectors has, else None. Byte strings: `kind` is their array, and at
    `ends` is one uint32 a row: where its bytes end among those at `data`.
    """

    kind: np.dtype[Any] | type[BytesArray]
    data: slice
    width: int | None = None
    ends: slice | None = None


class RawColumn(NamedTuple):
    """`valid` is where the validity mask lies, one bool a row."""

    field: str
    cells: RawCells
    valid: slice | None


class RawForm:
    """What requests of one kind have in common that differ only in their data."""

    __slots__ = ("columns", "count", "data", "ends", "shape", "size_bytes", "valid")

    def __init__(self, kind: type, columns: Sequence[RawColumn], count: int) -> None:
        """`kind` of operation; `count` rows. `data`, `ends` and `valid` are where these lie, one a column; empty where it has none."""
        self.columns = tuple(columns)
        self.count = count
        self.data = tuple(c.cells.data for c in columns)
        self.ends = tuple(c.cells.ends or _NOWHERE for c in columns)
        self.valid = tuple(c.valid or _NOWHERE for c in columns)
        self.size_bytes = sum(where.stop - where.start for where in (*self.data, *self.ends))
        described = [(c.field, c.cells.kind, c.cells.width, c.valid is not None) for c in columns]
        self.shape: Shape = shape_for((RawColumns, kind, *described))


class RawColumns(Sequence[Column]):
    """The columns of one request; `data` is never written to again."""

    __slots__ = ("data", "form")

    def __init__(self, form: RawForm, data: bytes | memoryview) -> None:
        self.form = form
        self.data = data

    def __len__(self) -> int:
        return len(self.form.columns)

    def __iter__(self) -> Iterator[Column]:
        return iter(merged([self]))

    @overload
    def __getitem__(self, at: int) -> Column: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Column]: ...
    def __getitem__(self, at: int | slice) -> Column | Sequence[Column]:
        return merged([self])[at]


def merged(parts: Sequence[RawColumns]) -> list[Column]:
    """The columns of requests of one shape, one behind the other; those of a single large request are views of its bytes."""
    out = []
    for place, column in enumerate(parts[0].form.columns):
        values = _values(column.cells, parts, place)
        valid = None if column.valid is None else np.frombuffer(_joined([p.data[p.form.valid[place]] for p in parts]), np.bool_)
        out.append(Column(column.field, values, valid))
    return out


def _values(cells: RawCells, parts: Sequence[RawColumns], place: int) -> Values:
    kind, width = cells.kind, cells.width
    data = _joined([part.data[part.form.data[place]] for part in parts])
    if isinstance(kind, np.dtype):
        numbers: npt.NDArray[Any] = np.frombuffer(data, kind)
        return numbers if width is None else numbers.reshape(-1, width)
    ends = np.frombuffer(_joined([part.data[part.form.ends[place]] for part in parts]), _ENDS)
    offsets = np.zeros(len(ends) + 1, np.int64)
    offsets[1:] = ends
    if len(parts) > 1:
        before = accumulate((part.form.data[place].stop - part.form.data[place].start for part in parts[:-1]), initial=0)
        offsets[1:] += np.repeat(list(before), [part.form.count for part in parts])
    return kind(offsets, np.frombuffer(data, np.uint8))


def _joined(pieces: Sequence[bytes | memoryview]) -> bytes | memoryview:
    if len(pieces) == 1:
        return pieces[0]
    if len(pieces[0]) < _LONG_BYTES:
        return b"".join(pieces)
    # Unlike the joining of views this leaves the interpreter to the event loop meanwhile.
    return np.concatenate([np.frombuffer(piece, np.uint8) for piece in pieces]).data
