"""What can be said of a frame without its data: its body, and where which blocks lie.

A program that asks the same kind of thing again and again sends frames that are alike: with the same body, and blocks of the same sizes.
So a layout is found out once for all frames that are alike, and looked up by the bytes that make them so.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod_client.wire.arrays import BLOCK, BLOCK_ENTRY_BYTES, CELLS, DTYPES, OFFSET_BYTES, OFFSETS_DTYPE, WireArray, WireBytes
from hippod_client.wire.errors import WireError

Frame = bytes | memoryview

_REMEMBERED_BYTES_MAX: Final = 1_024
_REMEMBERED: Final = 256
_BOOL: Final = DTYPES[7]
_ZEROS: Final = tuple(bytes(n) for n in range(8))


class Place(NamedTuple):
    """Where block `number` lies in its frame: `size` bytes at `at`. It has numbers of a `dtype`, or cells of any length of a `kind`."""

    number: int
    at: int
    size: int
    dtype: np.dtype[Any] | None
    kind: type[WireBytes] | None
    shape: tuple[int, ...]

    @property
    def head_bytes(self) -> int:
        """Bytes of the offsets before the cells; 0 where there are none."""
        return 0 if self.kind is None else (self.shape[0] + 1) * OFFSET_BYTES


class _Fixed(NamedTuple):
    """Bytes that are the same in all frames of a layout, or else there is a `fault`."""

    where: slice
    expected: bytes
    fault: str


class Layout:
    """Of frames that are alike. `body` is msgpack."""

    __slots__ = ("_fixed", "_looked_into", "body", "places")

    def __init__(self, described: bytes, body_length: int, blocks: int, at: int, end: int) -> None:
        """`described`: body, padding and block table; the data lie from `at` to `end`. WireError unless they fill that exactly."""
        table = len(described) - blocks * BLOCK_ENTRY_BYTES
        self.body = described[:body_length]
        if described[body_length:table] != _ZEROS[table - body_length]:
            raise WireError("the padding of the body is not zero")
        self.places: list[Place] = []
        self._fixed: list[_Fixed] = []
        for entry in BLOCK.iter_unpack(described[table:]):
            at = self._add(at, end, *entry)
        if at != end:
            raise WireError("the frame has bytes after its last part")
        self._looked_into = [place for place in self.places if place.dtype is _BOOL or (place.kind is not None and place.shape[0] != 1)]

    def _add(self, at: int, end: int, dtype_number: int, ndim: int, zero: int, rows: int, columns: int, size: int) -> int:
        """Note the block that lies at `at`; where the next begins."""
        number, stop = len(self.places), at + size
        following = stop + (-size & 7)
        if following > end:
            raise WireError(f"block {number} does not fit into the frame")
        if zero:
            raise WireError(f"block {number}: the reserved bits are not zero")
        kind = CELLS.get(dtype_number)
        if kind is not None:
            head = (rows + 1) * OFFSET_BYTES
            if ndim != 1 or columns or head > size:
                raise WireError(f"block {number}: {size} bytes do not hold {rows} strings")
            self.places.append(Place(number, at, size, None, kind, (rows,)))
            if rows == 1:
                offsets = np.array([0, size - head], OFFSETS_DTYPE).tobytes()
                self._fixed.append(_Fixed(slice(at, at + head), offsets, _offsets_fault(number)))
        else:
            dtype = DTYPES[dtype_number] if dtype_number < len(DTYPES) else None
            if dtype is None:
                raise WireError(f"block {number}: dtype {dtype_number} is unknown")
            entries, fits = (rows, not columns) if ndim == 1 else (rows * columns, ndim == 2 and columns > 0)
            if not fits or entries * dtype.itemsize != size:
                raise WireError(f"block {number}: {size} bytes are not a shape of {ndim} dimensions, {rows} x {columns}, of {dtype.name}")
            self.places.append(Place(number, at, size, dtype, None, (rows,) if ndim == 1 else (rows, columns)))
        if following != stop:
            self._fixed.append(_Fixed(slice(stop, following), _ZEROS[following - stop], f"block {number}: the padding is not zero"))
        return following

    def check(self, frame: Frame) -> None:
        """Raise WireError for data that no frame of this layout has; every frame is checked before its data are used."""
        for where, expected, fault in self._fixed:
            if frame[where] != expected:
                raise WireError(fault)
        for place in self._looked_into:
            if place.kind is not None:
                _check_offsets(frame, place)
            elif place.size and int(np.frombuffer(frame, np.uint8, place.size, place.at).max()) > 1:
                raise WireError(f"block {place.number}: a bool is 0 or 1")

    def arrays(self, frame: Frame) -> list[WireArray]:
        """The blocks of a frame, viewing it."""
        return [
            _numbers(dtype, frame, at, shape) if kind is None else _cells(kind, frame, at, size, shape[0])
            for _, at, size, dtype, kind, shape in self.places
        ]


_remembered = lru_cache(_REMEMBERED)(Layout)


def layout_of(frame: Frame, start: int, body_length: int, blocks: int) -> Layout:
    """The layout of a whole frame whose body begins at `start`; body and block table are known to fit. Raises WireError."""
    at = start + body_length + (-body_length & 7) + blocks * BLOCK_ENTRY_BYTES
    find = _remembered if at - start <= _REMEMBERED_BYTES_MAX else Layout
    return find(bytes(frame[start:at]), body_length, blocks, at, len(frame))


def _numbers(dtype: np.dtype[Any] | None, frame: Frame, at: int, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if len(shape) == 1:
        return np.frombuffer(frame, dtype, shape[0], at)
    return np.frombuffer(frame, dtype, shape[0] * shape[1], at).reshape(shape)


def _cells(kind: type[WireBytes], frame: Frame, at: int, size: int, count: int) -> WireBytes:
    head = (count + 1) * OFFSET_BYTES
    return kind(np.frombuffer(frame, OFFSETS_DTYPE, count + 1, at), np.frombuffer(frame, np.uint8, size - head, at + head))


def _check_offsets(frame: Frame, place: Place) -> None:
    offsets = np.frombuffer(frame, OFFSETS_DTYPE, place.shape[0] + 1, place.at)
    if offsets[0] != 0 or offsets[-1] != place.size - place.head_bytes or bool((offsets[1:] < offsets[:-1]).any()):
        raise WireError(_offsets_fault(place.number))


def _offsets_fault(block: int) -> str:
    return f"block {block}: the offsets of strings ascend from 0 to the number of bytes"
