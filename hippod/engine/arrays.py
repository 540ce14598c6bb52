"""Columnar values in memory: how many cells of one field travel and rest together, without a Python object per cell.

`Values` is one of these shapes, each with one entry a row:

    np.ndarray   numbers and bools, shape (n,); vectors, shape (n, dimension) float32, or (n, dimension / 8) uint8 for binary ones
    BytesArray   byte strings: offsets int64 (n + 1), data uint8; string i is data[offsets[i]:offsets[i + 1]]
    StringArray  the same, each cell UTF-8
    ListArray    arrays: offsets int64 (n + 1) into `values`, itself an np.ndarray or a BytesArray
    SparseArray  sparse vectors: offsets int64 (n + 1) into indices uint32 and values float32

A `Column` is a field's values with an optional validity mask (False = null; the cell below it is zero or empty).
Nothing here knows tables, frames or files.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

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


class BytesArray:
    """n byte strings. `offsets` int64 (n + 1,), ascending, offsets[0] may be above 0; `data` uint8."""

    __slots__ = ("data", "offsets")

    def __init__(self, offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> None:
        self.offsets = offsets
        self.data = data

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def of_bytes(cls, cells: Sequence[bytes]) -> Self:
        offsets = np.zeros(len(cells) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, cells), np.int64, len(cells)), out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(cells), np.uint8))

    def bytes_at(self, row: int) -> bytes:
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def to_bytes_list(self) -> list[bytes]:
        blob, ends = self.data.tobytes(), self.offsets.tolist()
        return [blob[a:b] for a, b in itertools.pairwise(ends)]

    def to_list(self) -> list[Any]:
        return self.to_bytes_list()

    def lengths(self) -> npt.NDArray[np.int64]:
        return self.offsets[1:] - self.offsets[:-1]

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        offsets, flat = _gather_ranges(self.offsets, rows)
        return type(self)(offsets, self.data[flat])


class StringArray(BytesArray):
    """n byte strings that are valid UTF-8, each by itself."""

    __slots__ = ()

    @classmethod
    def of(cls, strings: Iterable[str]) -> StringArray:
        return cls.of_bytes([s.encode() for s in strings])

    def to_list(self) -> list[Any]:
        return [cell.decode() for cell in self.to_bytes_list()]


class ListArray:
    """n arrays. `offsets` int64 (n + 1,), ascending; cell i is values[offsets[i]:offsets[i + 1]]."""

    __slots__ = ("offsets", "values")

    def __init__(self, offsets: npt.NDArray[np.int64], values: npt.NDArray[np.generic] | BytesArray) -> None:
        self.offsets = offsets
        self.values = values

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> npt.NDArray[np.int64]:
        return self.offsets[1:] - self.offsets[:-1]

    def take(self, rows: npt.NDArray[np.intp]) -> ListArray:
        offsets, flat = _gather_ranges(self.offsets, rows)
        if isinstance(self.values, BytesArray):
            return ListArray(offsets, self.values.take(flat))
        return ListArray(offsets, self.values[flat])

    def to_list(self) -> list[list[object]]:
        flat: list[object] = list(self.values.to_list() if isinstance(self.values, BytesArray) else self.values.tolist())
        ends = self.offsets.tolist()
        return [flat[a:b] for a, b in itertools.pairwise(ends)]


class SparseArray:
    """n sparse vectors. `offsets` int64 (n + 1,), ascending, offsets[0] may be above 0; `indices` uint32, `values` float32.

    The entries of vector i are offsets[i] to offsets[i + 1]. In storage form its indices ascend strictly and its values are finite
    and not zero.
    """

    __slots__ = ("indices", "offsets", "values")

    def __init__(self, offsets: npt.NDArray[np.int64], indices: npt.NDArray[np.uint32], values: npt.NDArray[np.float32]) -> None:
        self.offsets = offsets
        self.indices = indices
        self.values = values

    @classmethod
    def none(cls) -> SparseArray:
        """No vectors."""
        return cls(np.zeros(1, np.int64), np.empty(0, np.uint32), np.empty(0, np.float32))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: slice) -> SparseArray:
        """Consecutive vectors, sharing memory."""
        start, stop, _ = rows.indices(len(self))
        return SparseArray(self.offsets[start : stop + 1], self.indices, self.values)

    def lengths(self) -> npt.NDArray[np.int64]:
        return self.offsets[1:] - self.offsets[:-1]

    def take(self, rows: npt.NDArray[np.intp]) -> SparseArray:
        offsets, flat = _gather_ranges(self.offsets, rows)
        return SparseArray(offsets, self.indices[flat], self.values[flat])

    def compact(self) -> SparseArray:
        """The same with offsets from 0 and no entries beside those of the vectors."""
        first, last = int(self.offsets[0]), int(self.offsets[-1])
        return SparseArray(self.offsets - first, self.indices[first:last], self.values[first:last])

    def to_list(self) -> list[dict[int, float]]:
        part = self.compact()
        indices, values = part.indices.tolist(), part.values.tolist()
        return [dict(zip(indices[a:b], values[a:b], strict=True)) for a, b in itertools.pairwise(part.offsets.tolist())]


Values = npt.NDArray[np.generic] | BytesArray | ListArray | SparseArray
_VALUES: Final = (np.ndarray, BytesArray, ListArray, SparseArray)


def check_is_block(vectors: object) -> None:
    """Raise TypeError unless the vectors of a request are a `Values`, which decoders cannot tell by type."""
    if not isinstance(vectors, _VALUES):
        raise TypeError("`vectors` must be an array block")


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
    if isinstance(first, BytesArray):
        return type(first)(offsets, np.concatenate([p.data[p.offsets[0] : p.offsets[-1]] for p in ragged if isinstance(p, BytesArray)]))
    if isinstance(first, SparseArray):
        sparse = [p.compact() for p in ragged if isinstance(p, SparseArray)]
        return SparseArray(offsets, np.concatenate([p.indices for p in sparse]), np.concatenate([p.values for p in sparse]))
    cells = [slice_values(p.values, int(p.offsets[0]), int(p.offsets[-1])) for p in ragged if isinstance(p, ListArray)]
    inner = concat_values(cells)
    assert isinstance(inner, np.ndarray | BytesArray)
    return ListArray(offsets, inner)


def slice_values(values: Values, start: int, stop: int) -> Values:
    """Cells start..stop-1, sharing memory."""
    if isinstance(values, np.ndarray | SparseArray):
        return values[start:stop]
    if isinstance(values, BytesArray):
        return type(values)(values.offsets[start : stop + 1], values.data)
    return ListArray(values.offsets[start : stop + 1], values.values)
