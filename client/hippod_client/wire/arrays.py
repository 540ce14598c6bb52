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
import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
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

BLOCK: Final = struct.Struct("<BBHIII")
BLOCK_ENTRY_BYTES: Final = BLOCK.size
_TWO_INDEXES = struct.Struct("<HH")
_THREE_INDEXES = struct.Struct("<HHHH")
OFFSETS_DTYPE: Final = np.dtype("<u4")
OFFSET_BYTES: Final = OFFSETS_DTYPE.itemsize
_U32_MAX: Final = 0xFFFFFFFF
# Below this a copy costs less than the handling of a view.
_COPIED_BYTES_MAX: Final = 4_096
_REMEMBERED: Final = 256


class WireBytes:
    """n byte strings: `offsets` uint32 (n + 1,), ascending from 0; `data` uint8."""

    __slots__ = ("data", "offsets")

    def __init__(self, offsets: npt.NDArray[np.uint32], data: npt.NDArray[np.uint8]) -> None:
        self.offsets = offsets
        self.data = data

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
        offsets = np.fromiter(itertools.accumulate(lengths, initial=0), OFFSETS_DTYPE, count + 1)
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
CELLS: Final[dict[int, type[WireBytes]]] = {STRING_DTYPE: WireStrings, BYTES_DTYPE: WireBytes}


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
    return index.to_bytes(2, "little")


def list_reference(offsets: int, values: int) -> bytes:
    """The payload of an EXT_LIST value."""
    return _TWO_INDEXES.pack(offsets, values)


def sparse_reference(offsets: int, indices: int, values: int) -> bytes:
    """The payload of an EXT_SPARSE value."""
    return _THREE_INDEXES.pack(offsets, indices, values, 0)


def resolve_reference(code: int, data: bytes | memoryview, arrays: Sequence[WireArray]) -> WireValues:
    """What an extension value of the body stands for; WireError for an unknown code, a wrong size or an index out of range."""
    try:
        if code == EXT_ARRAY and len(data) == 2:
            return arrays[data[0] | data[1] << 8]
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
    raise WireError(f"an extension value of code {code} and {len(data)} bytes is unknown")


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
        number = STRING_DTYPE if isinstance(array, WireStrings) else BYTES_DTYPE
        offsets, data = array.offsets, array.data
        size = offsets.nbytes + data.nbytes
        entry = BLOCK.pack(number, 1, 0, len(offsets) - 1, 0, _fits(size))
        if size < _COPIED_BYTES_MAX:
            return entry, [offsets.tobytes(), data.tobytes()], size
        return entry, [np.ascontiguousarray(offsets).data.cast("B"), np.ascontiguousarray(data).data], size
    entry, size = _describe_numbers(array.dtype, array.shape)
    if size < _COPIED_BYTES_MAX:
        return entry, [array.tobytes()] if size else [], size
    return entry, [np.ascontiguousarray(array).data.cast("B")], size


@lru_cache(_REMEMBERED)
def _describe_numbers(dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[bytes, int]:
    """The table entry of a block of numbers, and its bytes."""
    known = DTYPE_NUMBERS.get(dtype)
    if known is None:
        raise WireError(f"no block holds the dtype {dtype}")
    if len(shape) not in (1, 2) or 0 in shape[1:]:
        raise WireError(f"no block has the shape {shape}")
    size = _fits(math.prod(shape) * dtype.itemsize)
    return BLOCK.pack(known, len(shape), 0, shape[0], shape[1] if len(shape) > 1 else 0, size), size


def _fits(size: int) -> int:
    if size > _U32_MAX:
        raise WireError("a block has at most 4 GiB")
    return size
