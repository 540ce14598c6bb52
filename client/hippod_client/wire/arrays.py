"""Array blocks: how numbers, vectors, strings and lists lie in a frame, and how the body refers to them.

A block is one `WireArray`. The body refers to it by a msgpack extension value:

    EXT_ARRAY   u16 index                                the array of that block
    EXT_LIST    u16 offsets, u16 values                  a list a row: row i is values[offsets[i]:offsets[i + 1]] (a `WireLists`)
    EXT_SPARSE  u16 offsets, u16 indices, u16 values, u16 0
                                                         a sparse vector a row: that range of two blocks (a `WireSparse`)

Decoded arrays are views of the frame's memory; whoever decodes owns that memory and must not reuse it.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from hippod_client.wire.errors import WireError

EXT_ARRAY: Final = 1
EXT_LIST: Final = 2
EXT_SPARSE: Final = 3
STRING_DTYPE: Final = 8
BYTES_DTYPE: Final = 9

DTYPES: Final[tuple[np.dtype[Any] | None, ...]] = (
    None,
    np.dtype("<i1"),
    np.dtype("<i2"),
    np.dtype("<i4"),
    np.dtype("<i8"),
    np.dtype("<f4"),
    np.dtype("<f8"),
    np.dtype(np.bool_),
    None,
    None,
    np.dtype("<u1"),
    np.dtype("<u4"),
)
DTYPE_NUMBERS: Final = {dtype: number for number, dtype in enumerate(DTYPES) if dtype is not None}

_BOOL: Final = 7
_BLOCK = struct.Struct("<BBHIII")
BLOCK_ENTRY_BYTES: Final = _BLOCK.size
_INDEX = struct.Struct("<H")
_TWO_INDEXES = struct.Struct("<HH")
_THREE_INDEXES = struct.Struct("<HHHH")
_OFFSETS_DTYPE: Final = np.dtype("<u4")
_U32_MAX: Final = 0xFFFFFFFF
# Below this a copy costs less than the handling of a view.
_COPIED_BYTES_MAX: Final = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class WireBytes:
    """n byte strings: `offsets` uint32 (n + 1,), ascending from 0; `data` uint8."""

    offsets: npt.NDArray[np.uint32]
    data: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def of_bytes(cls, cells: Sequence[bytes]) -> Self:
        """Raises WireError if the cells have over 4 GiB together."""
        return cls._joined(b"".join(cells), map(len, cells), len(cells))

    @classmethod
    def _joined(cls, joined: bytes, lengths: Iterable[int], count: int) -> Self:
        if len(joined) > _U32_MAX:
            raise WireError("the cells of one block have at most 4 GiB")
        offsets = np.zeros(count + 1, _OFFSETS_DTYPE)
        np.cumsum(np.fromiter(lengths, np.int64, count), out=offsets[1:], dtype=_OFFSETS_DTYPE)
        return cls(offsets, np.frombuffer(joined, np.uint8))

    def to_list(self) -> list[Any]:
        blob, ends = self.data.tobytes(), self.offsets.tolist()
        return [blob[a:b] for a, b in itertools.pairwise(ends)]


class WireStrings(WireBytes):
    """n UTF-8 strings. UTF-8 validity is checked only by `to_list`."""

    __slots__ = ()

    @classmethod
    def of(cls, strings: Sequence[str]) -> Self:
        """Raises UnicodeEncodeError for lone surrogates, WireError if the strings have over 4 GiB together."""
        joined = "".join(strings)
        encoded = joined.encode()
        lengths: Iterable[int] = map(len, strings) if len(encoded) == len(joined) else (len(s.encode()) for s in strings)
        return cls._joined(encoded, lengths, len(strings))

    def to_list(self) -> list[Any]:
        """Raises WireError for bytes that are not UTF-8."""
        blob, ends = self.data.tobytes(), self.offsets.tolist()
        try:
            if blob.isascii():
                text = blob.decode("ascii")
                return [text[a:b] for a, b in itertools.pairwise(ends)]
            return [blob[a:b].decode() for a, b in itertools.pairwise(ends)]
        except UnicodeDecodeError as error:
            raise WireError("a string is not valid UTF-8") from error


WireArray = npt.NDArray[Any] | WireBytes


@dataclass(frozen=True, slots=True, eq=False)
class WireLists:
    """n lists: `offsets` int32 (n + 1,), ascending from 0 to len(values)."""

    offsets: npt.NDArray[np.int32]
    values: WireArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to_list(self) -> list[list[Any]]:
        flat: list[Any] = self.values.to_list() if isinstance(self.values, WireBytes) else self.values.tolist()
        return [flat[a:b] for a, b in itertools.pairwise(self.offsets.tolist())]


@dataclass(frozen=True, slots=True, eq=False)
class WireSparse:
    """n sparse vectors: `offsets` int32 (n + 1,), ascending from 0 to the number of entries; `indices` uint32, `values` float32.

    Whether the indices of a vector ascend is not checked here.
    """

    offsets: npt.NDArray[np.int32]
    indices: npt.NDArray[np.uint32]
    values: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.offsets) - 1


WireValues = WireArray | WireLists | WireSparse


def array_reference(index: int) -> bytes:
    """The payload of an EXT_ARRAY value."""
    return _INDEX.pack(index)


def list_reference(offsets: int, values: int) -> bytes:
    """The payload of an EXT_LIST value."""
    return _TWO_INDEXES.pack(offsets, values)


def sparse_reference(offsets: int, indices: int, values: int) -> bytes:
    """The payload of an EXT_SPARSE value."""
    return _THREE_INDEXES.pack(offsets, indices, values, 0)


def resolve_reference(code: int, data: bytes | memoryview, arrays: Sequence[WireArray]) -> WireValues:
    """What an extension value of the body stands for; WireError for an unknown code, a wrong size or an index out of range."""
    try:
        if code == EXT_ARRAY:
            index: int = _INDEX.unpack(data)[0]
            return arrays[index]
        if code == EXT_LIST:
            first, second = _TWO_INDEXES.unpack(data)
            return _checked_lists(arrays[first], arrays[second])
        if code == EXT_SPARSE:
            first, second, third, reserved = _THREE_INDEXES.unpack(data)
            if reserved:
                raise WireError("the reserved bits of a reference are not zero")
            return _checked_sparse(arrays[first], arrays[second], arrays[third])
    except (struct.error, IndexError) as error:
        raise WireError(f"an extension value of code {code} does not name a block of this frame") from error
    raise WireError(f"extension code {code} is unknown")


def _checked_lists(offsets: WireArray, values: WireArray) -> WireLists:
    if not isinstance(values, WireBytes) and values.ndim != 1:
        raise WireError("the values of lists are a block with one dimension")
    return WireLists(_checked_offsets(offsets, len(values)), values)


def _checked_sparse(offsets: WireArray, indices: WireArray, values: WireArray) -> WireSparse:
    for array, dtype in ((indices, np.uint32), (values, np.float32)):
        if isinstance(array, WireBytes) or array.dtype != dtype or array.ndim != 1:
            raise WireError("sparse vectors have a uint32 block of indices and a float32 block of values, of one dimension each")
    if len(indices) != len(values):
        raise WireError("sparse vectors have as many indices as values")
    assert not isinstance(indices, WireBytes)
    assert not isinstance(values, WireBytes)
    return WireSparse(_checked_offsets(offsets, len(values)), indices, values)


def _checked_offsets(offsets: WireArray, count: int) -> npt.NDArray[np.int32]:
    if isinstance(offsets, WireBytes) or offsets.dtype != np.int32 or offsets.ndim != 1:
        raise WireError("the offsets of lists are an int32 block with one dimension")
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != count or bool((offsets[1:] < offsets[:-1]).any()):
        raise WireError("the offsets of lists ascend from 0 to the number of values")
    return offsets


def encode_block(array: WireArray) -> tuple[bytes, list[memoryview | bytes], int]:
    """The table entry of a block, its data as buffers without padding, and the number of data bytes.

    Raises WireError for a dtype or shape that no block has. Arrays that are not contiguous are copied.
    """
    if isinstance(array, WireBytes):
        offsets = np.ascontiguousarray(array.offsets, _OFFSETS_DTYPE)
        size = offsets.nbytes + array.data.nbytes
        buffers: list[memoryview | bytes] = [offsets.data.cast("B")]
        if array.data.nbytes:
            buffers.append(np.ascontiguousarray(array.data).data)
        number = STRING_DTYPE if isinstance(array, WireStrings) else BYTES_DTYPE
        return _BLOCK.pack(number, 1, 0, len(array), 0, _fits(size)), buffers, size
    known = DTYPE_NUMBERS.get(array.dtype)
    if known is None:
        raise WireError(f"no block holds the dtype {array.dtype}")
    if array.ndim not in (1, 2) or (array.ndim == 2 and not array.shape[1]):
        raise WireError(f"no block has the shape {array.shape}")
    size = array.nbytes
    columns = array.shape[1] if array.ndim == 2 else 0
    entry = _BLOCK.pack(known, array.ndim, 0, _fits(array.shape[0]), _fits(columns), _fits(size))
    if size < _COPIED_BYTES_MAX:
        return entry, [array.tobytes()] if size else [], size
    return entry, [np.ascontiguousarray(array).data.cast("B")], size


def _fits(number: int) -> int:
    if number > _U32_MAX:
        raise WireError("a block has at most 4 GiB")
    return number


def decode_blocks(frame: memoryview, table: int, count: int) -> list[WireArray]:
    """The arrays of a frame whose block table starts at `table`; WireError unless the data fill the frame exactly."""
    at = table + count * BLOCK_ENTRY_BYTES
    end = len(frame)
    if at > end:
        raise WireError("the block table does not fit into the frame")
    arrays: list[WireArray] = []
    for dtype, ndim, zero, rows, columns, size in _BLOCK.iter_unpack(frame[table:at]):
        stop = at + size
        following = stop + (-size & 7)
        if following > end:
            raise WireError(f"block {len(arrays)} does not fit into the frame")
        if zero or (size & 7 and any(frame[stop:following])):
            raise WireError(f"block {len(arrays)}: reserved bits or padding are not zero")
        arrays.append(_decode_block(frame, at, size, dtype, ndim, rows, columns, len(arrays)))
        at = following
    if at != end:
        raise WireError("the frame has bytes after its last block")
    return arrays


def _decode_block(frame: memoryview, at: int, size: int, number: int, ndim: int, rows: int, columns: int, index: int) -> WireArray:
    if number in (STRING_DTYPE, BYTES_DTYPE):
        kind = WireStrings if number == STRING_DTYPE else WireBytes
        return _decode_cells(kind, frame, at, size, ndim, rows, columns, index)
    if not 1 <= number < len(DTYPES):
        raise WireError(f"block {index}: dtype {number} is unknown")
    dtype = DTYPES[number]
    assert dtype is not None
    if ndim == 1:
        cells = rows
        fits = columns == 0
    else:
        cells = rows * columns
        fits = ndim == 2 and columns > 0
    if not fits or cells * dtype.itemsize != size:
        raise WireError(f"block {index}: {size} bytes are not a shape of {ndim} dimensions, {rows} x {columns}, of {dtype.name}")
    if number == _BOOL and size and int(np.frombuffer(frame, np.uint8, size, at).max()) > 1:
        raise WireError(f"block {index}: a bool is 0 or 1")
    array = np.frombuffer(frame, dtype, cells, at)
    return array if ndim == 1 else array.reshape(rows, columns)


def _decode_cells(
    kind: type[WireBytes], frame: memoryview, at: int, size: int, ndim: int, rows: int, columns: int, index: int
) -> WireBytes:
    head = (rows + 1) * 4
    if ndim != 1 or columns or head > size:
        raise WireError(f"block {index}: {size} bytes do not hold {rows} strings")
    offsets = np.frombuffer(frame, _OFFSETS_DTYPE, rows + 1, at)
    if offsets[0] != 0 or offsets[-1] != size - head or (rows > 1 and bool((offsets[1:] < offsets[:-1]).any())):
        raise WireError(f"block {index}: the offsets of strings ascend from 0 to the number of bytes")
    return kind(offsets, np.frombuffer(frame, np.uint8, size - head, at + head))
