"""Row blocks: rows of one tablet in columns, as bytes. The body of log records that put rows, and the values of the store.

All numbers little-endian; every part starts at a multiple of 8.

    header    u32 magic "HRB1", u16 version, u16 columns, u32 rows, u32 flags (bit 0: row_ids are first_row_id, first_row_id + 1, ...)
    row_ids   i64 first_row_id if bit 0 is set, else i64 for each row
    columns   one after the other; dtypes are 1 i8, 2 i16, 3 i32, 4 i64, 5 f32, 6 f64, 7 bool, 8 u8:
              u16 field number, u8 shape, u8 dtype, u8 has validity, 3 bytes 0, u32 width, u32 0, u64 data bytes, u64 inner data bytes
              validity: u8 (0 or 1) for each row, if there is one
              shape 1 numbers   data: rows * itemsize            (width 1)
              shape 2 vectors   data: rows * width * itemsize    (width = dimension)
              shape 3 strings   offsets: u32 for each row and one more, from 0; data: UTF-8
              shape 4 lists     offsets: u32 for each row and one more, from 0; elements: width of them, of dtype; for strings (dtype 0)
                                element offsets u32 (width + 1), then data
              shape 5 bytes     as strings, any bytes
              shape 6 sparse    offsets: u32 for each row and one more, from 0; indices: u32 (width); data: f32 (width)
A decoded block views the bytes that it was decoded from.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import BytesArray, ListArray, SparseArray, StringArray, Values, concat_values, slice_values, take_values

_HEADER: Final = struct.Struct("<4sHHII")
_COLUMN: Final = struct.Struct("<HBBB3xIIQQ")
_MAGIC: Final = b"HRB1"
_VERSION: Final = 1
_CONTIGUOUS: Final = 1
_NUMBERS, _VECTORS, _STRINGS, _LISTS, _BYTES, _SPARSE = 1, 2, 3, 4, 5, 6
_DTYPES: Final = {code: np.dtype(name) for code, name in enumerate(("<i1", "<i2", "<i4", "<i8", "<f4", "<f8", "?", "<u1"), start=1)}
_CODES: Final = {dtype: code for code, dtype in _DTYPES.items()}

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True, eq=False)
class ColumnData:
    """The cells of one field in storage form; `valid` bool (n,), None where no cell is null."""

    values: Values
    valid: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RowBlock:
    """`row_ids` int64 (n,), strictly ascending; `columns` by field number, n cells each."""

    row_ids: npt.NDArray[np.int64]
    columns: dict[int, ColumnData]


def encode_block(block: RowBlock) -> list[Buffer]:
    """The block as buffers to be written one after the other; big arrays are not copied."""
    rows = len(block.row_ids)
    contiguous = bool(rows) and int(block.row_ids[-1]) - int(block.row_ids[0]) == rows - 1
    out: list[Buffer] = [_HEADER.pack(_MAGIC, _VERSION, len(block.columns), rows, _CONTIGUOUS if contiguous else 0)]
    _put(out, block.row_ids[:1] if contiguous else block.row_ids)
    for number, column in block.columns.items():
        _put_column(out, number, column)
    return out


def _put_column(out: list[Buffer], number: int, column: ColumnData) -> None:
    values = column.values
    shape, dtype, width, size, inner = _NUMBERS, 0, 1, 0, 0
    parts: list[npt.NDArray[Any]] = []
    if isinstance(values, np.ndarray):
        dtype, size = _CODES[values.dtype], values.nbytes
        shape, width = (_VECTORS, values.shape[1]) if values.ndim == 2 else (_NUMBERS, 1)
        parts = [values]
    elif isinstance(values, BytesArray):
        shape = _STRINGS if isinstance(values, StringArray) else _BYTES
        parts = _string_parts(values)
        size = parts[1].nbytes
    elif isinstance(values, SparseArray):
        shape, cut = _SPARSE, values.compact()
        width, size = len(cut.indices), cut.values.nbytes
        parts = [cut.offsets.astype(np.uint32), cut.indices, cut.values]
    else:
        shape = _LISTS
        cells = slice_values(values.values, int(values.offsets[0]), int(values.offsets[-1]))
        width = len(cells)
        parts = [(values.offsets - values.offsets[0]).astype(np.uint32)]
        if isinstance(cells, BytesArray):
            parts += _string_parts(cells)
            inner = parts[2].nbytes
        else:
            assert isinstance(cells, np.ndarray)
            dtype, size = _CODES[cells.dtype], cells.nbytes
            parts.append(cells)
    out.append(_COLUMN.pack(number, shape, dtype, column.valid is not None, width, 0, size, inner))
    if column.valid is not None:
        _put(out, column.valid)
    for part in parts:
        _put(out, part)


def _string_parts(values: BytesArray) -> list[npt.NDArray[Any]]:
    first, last = int(values.offsets[0]), int(values.offsets[-1])
    return [(values.offsets - first).astype(np.uint32), values.data[first:last]]


def _put(out: list[Buffer], array: npt.NDArray[Any]) -> None:
    if array.nbytes:
        out.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    if array.nbytes % 8:
        out.append(bytes(-array.nbytes % 8))


class _Reader:
    """Takes typed arrays off a buffer, one after the other; raises ValueError where there is not enough."""

    def __init__(self, buffer: Buffer) -> None:
        self._bytes = np.frombuffer(buffer, np.uint8)
        self.at = 0

    @property
    def is_at_end(self) -> bool:
        return self.at == len(self._bytes)

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        start = self._advance(layout.size)
        return layout.unpack(self._bytes[start : start + layout.size].tobytes())

    def take(self, dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        wanted = np.dtype(dtype)
        start = self._advance(count * wanted.itemsize)
        return self._bytes[start : start + count * wanted.itemsize].view(wanted)

    def _advance(self, size: int) -> int:
        start = self.at
        if start + size > len(self._bytes):
            raise ValueError(f"a row block ends at byte {len(self._bytes)}, {start + size} are needed")
        self.at = start + (size + 7) // 8 * 8
        return start

    def bools(self, count: int) -> npt.NDArray[np.bool_]:
        raw = self.take(np.uint8, count)
        if (raw > 1).any():
            raise ValueError("a row block has a bool that is neither 0 nor 1")
        return raw.view(np.bool_)

    def offsets(self, count: int, end: int) -> npt.NDArray[np.int64]:
        found = self.take(np.uint32, count + 1).astype(np.int64)
        if found[0] != 0 or found[-1] != end or (np.diff(found) < 0).any():
            raise ValueError("a row block has offsets that do not rise from 0 to the size of the data")
        return found


def decode_block(buffer: Buffer) -> RowBlock:
    """The block in `buffer`, viewing it. Raises ValueError for anything that `encode_block` cannot have written."""
    reader = _Reader(buffer)
    magic, version, columns, rows, flags = reader.unpack(_HEADER)
    if magic != _MAGIC or version != _VERSION or flags & ~_CONTIGUOUS or not rows:
        raise ValueError(f"not a row block of version {_VERSION}")
    if flags & _CONTIGUOUS:
        first = int(reader.take(np.int64, 1)[0])
        if first > 2**62:
            raise ValueError("a row block has row_ids out of range")
        row_ids = np.arange(first, first + rows, dtype=np.int64)
    else:
        row_ids = reader.take(np.int64, rows)
        if (np.diff(row_ids) <= 0).any():
            raise ValueError("a row block has row_ids that do not rise")
    out: dict[int, ColumnData] = {}
    for _ in range(columns):
        number, data = _take_column(reader, rows)
        out[number] = data
    if not reader.is_at_end or len(out) != columns:
        raise ValueError("a row block has bytes behind its end or a column twice")
    return RowBlock(row_ids, out)


def _take_column(reader: _Reader, rows: int) -> tuple[int, ColumnData]:
    number, shape, code, has_valid, width, _, size, inner = reader.unpack(_COLUMN)
    valid = reader.bools(rows) if has_valid else None
    values: Values
    if shape in (_STRINGS, _BYTES):
        kind = StringArray if shape == _STRINGS else BytesArray
        values = kind(reader.offsets(rows, size), reader.take(np.uint8, size))
    elif shape == _SPARSE:
        values = SparseArray(reader.offsets(rows, width), reader.take("<u4", width), reader.take("<f4", width))
    elif shape == _LISTS:
        offsets = reader.offsets(rows, width)
        if code == 0:
            values = ListArray(offsets, StringArray(reader.offsets(width, inner), reader.take(np.uint8, inner)))
        else:
            values = ListArray(offsets, _take_numbers(reader, code, width))
    elif shape == _VECTORS:
        values = _take_numbers(reader, code, rows * width).reshape(rows, width)
    elif shape == _NUMBERS:
        values = _take_numbers(reader, code, rows)
    else:
        raise ValueError(f"a row block has a column of shape {shape}")
    return number, ColumnData(values, valid)


def _take_numbers(reader: _Reader, code: int, count: int) -> npt.NDArray[Any]:
    if code not in _DTYPES:
        raise ValueError(f"a row block has a column of dtype {code}")
    return reader.bools(count) if _DTYPES[code] == np.bool_ else reader.take(_DTYPES[code], count)


def slice_block(block: RowBlock, start: int, stop: int) -> RowBlock:
    """Rows start..stop-1, sharing memory."""
    return RowBlock(
        block.row_ids[start:stop],
        {n: _map(c, lambda v: slice_values(v, start, stop), slice(start, stop)) for n, c in block.columns.items()},
    )


def are_among(row_ids: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of `row_ids` are among `others`; both rise. Costs little however many others there are."""
    found = np.zeros(len(row_ids), np.bool_)
    if len(row_ids):
        first, last = np.searchsorted(others, (row_ids[0], row_ids[-1] + 1)).tolist()
        inside = others[first:last]
        at = np.searchsorted(row_ids, inside)
        found[at[row_ids[at] == inside]] = True
    return found


def select_rows(block: RowBlock, mask: npt.NDArray[np.bool_]) -> RowBlock:
    """The rows where `mask` holds, copied."""
    rows = np.flatnonzero(mask)
    return RowBlock(block.row_ids[rows], {n: _map(c, lambda v: take_values(v, rows), rows) for n, c in block.columns.items()})


def _map(column: ColumnData, change: Any, rows: Any) -> ColumnData:
    return ColumnData(change(column.values), None if column.valid is None else column.valid[rows])


def concat_alike(blocks: Iterable[RowBlock]) -> list[RowBlock]:
    """The same rows, neighbours with the same columns joined: fields may have come and gone between them."""
    return [concat_blocks(list(alike)) for _, alike in groupby(blocks, lambda block: block.columns.keys())]


def concat_blocks(blocks: Sequence[RowBlock]) -> RowBlock:
    """All rows in one block. The blocks have the same columns, and row_ids that rise from one to the next."""
    if len(blocks) == 1:
        return blocks[0]
    columns = {}
    for number in blocks[0].columns:
        parts = [b.columns[number] for b in blocks]
        valid = None
        if any(p.valid is not None for p in parts):
            valid = np.concatenate([np.ones(len(p.values), np.bool_) if p.valid is None else p.valid for p in parts])
        columns[number] = ColumnData(concat_values([p.values for p in parts]), valid)
    return RowBlock(np.concatenate([b.row_ids for b in blocks]), columns)
