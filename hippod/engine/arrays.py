"""Columnar values in memory: how many cells of one field travel and rest together, without a Python object per cell.

`Values` is one of three shapes, each with one entry a row:

    np.ndarray   numbers and bools, shape (n,); vectors, shape (n, dimension), float32
    StringArray  UTF-8 strings: offsets int64 (n + 1), data uint8; string i is data[offsets[i]:offsets[i + 1]]
    ListArray    arrays: offsets int64 (n + 1) into `values`, itself an np.ndarray or a StringArray

A `Column` is a field's values with an optional validity mask (False = null; the cell below it is zero or empty).
Nothing here knows tables, frames or files.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt


def _gather_ranges(offsets: npt.NDArray[np.int64], rows: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """New offsets (n + 1) and the flat source positions of the cells `rows` of a ragged array."""
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    out = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    flat = np.arange(out[-1], dtype=np.int64) + np.repeat(starts - out[:-1], lengths)
    return out, flat


class StringArray:
    """n UTF-8 strings. `offsets` int64 (n + 1,), ascending, offsets[0] may be above 0; `data` uint8, valid UTF-8 per cell."""

    __slots__ = ("data", "offsets")

    def __init__(self, offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> None:
        self.offsets = offsets
        self.data = data

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def of(cls, strings: Iterable[str]) -> StringArray:
        return cls.of_bytes([s.encode() for s in strings])

    @classmethod
    def of_bytes(cls, cells: Sequence[bytes]) -> StringArray:
        offsets = np.zeros(len(cells) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, cells), np.int64, len(cells)), out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(cells), np.uint8))

    def bytes_at(self, row: int) -> bytes:
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def to_bytes_list(self) -> list[bytes]:
        blob, ends = self.data.tobytes(), self.offsets.tolist()
        return [blob[a:b] for a, b in itertools.pairwise(ends)]

    def to_list(self) -> list[str]:
        return [cell.decode() for cell in self.to_bytes_list()]

    def lengths(self) -> npt.NDArray[np.int64]:
        return np.diff(self.offsets)

    def take(self, rows: npt.NDArray[np.intp]) -> StringArray:
        offsets, flat = _gather_ranges(self.offsets, rows)
        return StringArray(offsets, self.data[flat])


class ListArray:
    """n arrays. `offsets` int64 (n + 1,), ascending; cell i is values[offsets[i]:offsets[i + 1]]."""

    __slots__ = ("offsets", "values")

    def __init__(self, offsets: npt.NDArray[np.int64], values: npt.NDArray[np.generic] | StringArray) -> None:
        self.offsets = offsets
        self.values = values

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> npt.NDArray[np.int64]:
        return np.diff(self.offsets)

    def take(self, rows: npt.NDArray[np.intp]) -> ListArray:
        offsets, flat = _gather_ranges(self.offsets, rows)
        if isinstance(self.values, StringArray):
            return ListArray(offsets, self.values.take(flat))
        return ListArray(offsets, self.values[flat])

    def to_list(self) -> list[list[object]]:
        flat: list[object] = list(self.values.to_list() if isinstance(self.values, StringArray) else self.values.tolist())
        ends = self.offsets.tolist()
        return [flat[a:b] for a, b in itertools.pairwise(ends)]


Values = npt.NDArray[np.generic] | StringArray | ListArray
_VALUES: Final = (np.ndarray, StringArray, ListArray)


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field's cells of n rows: `values` with n entries; `valid` bool (n,), None where no cell is null."""

    field: str
    values: Any  # Values; decoders cannot tell its kinds apart by type.
    valid: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.values, _VALUES):
            raise TypeError(f"the values of {self.field!r} must be an array block")
        if self.valid is None:
            return
        if not isinstance(self.valid, np.ndarray) or self.valid.dtype != np.bool_ or self.valid.shape != (len(self.values),):
            raise TypeError(f"the validity mask of {self.field!r} must be a bool block with one entry a row")


def take_values(values: Values, rows: npt.NDArray[np.intp]) -> Values:
    """The cells at positions `rows`, copied."""
    return values[rows] if isinstance(values, np.ndarray) else values.take(rows)


def concat_values(parts: Sequence[Values]) -> Values:
    """All cells of `parts` (same shape and dtype each) in order, copied unless there is one part."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    if isinstance(first, np.ndarray):
        return np.concatenate([p for p in parts if isinstance(p, np.ndarray)])
    ragged = [p for p in parts if not isinstance(p, np.ndarray)]
    offsets = np.zeros(sum(len(p) for p in ragged) + 1, np.int64)
    np.cumsum(np.concatenate([p.lengths() for p in ragged]), out=offsets[1:])
    if isinstance(first, StringArray):
        return StringArray(offsets, np.concatenate([p.data[p.offsets[0] : p.offsets[-1]] for p in ragged if isinstance(p, StringArray)]))
    cells = [slice_values(p.values, int(p.offsets[0]), int(p.offsets[-1])) for p in ragged if isinstance(p, ListArray)]
    inner = concat_values(cells)
    assert not isinstance(inner, ListArray)
    return ListArray(offsets, inner)


def slice_values(values: Values, start: int, stop: int) -> Values:
    """Cells start..stop-1, sharing memory."""
    if isinstance(values, np.ndarray):
        return values[start:stop]
    if isinstance(values, StringArray):
        return StringArray(values.offsets[start : stop + 1], values.data)
    return ListArray(values.offsets[start : stop + 1], values.values)
