"""Is the body of a request shaped as it may be? A walk over the msgpack bytes that builds nothing, before a decoder may.

A decoder would allocate what hostile bytes claim and would silently let a later duplicate key win. Strings are not checked for UTF-8
here: the decoder does that.
"""

from __future__ import annotations

from typing import Final

from hippod_client.wire.arrays import EXT_ARRAY, EXT_LIST, EXT_SPARSE
from hippod_client.wire.errors import WireError

DEPTH_MAX: Final = 16
ARRAY_MAX: Final = 100_000
MAP_MAX: Final = 1_024
# Bounds the time of a walk (about 10 ms), whatever the nesting.
VALUES_MAX: Final = 131_072


def _scalar_sizes() -> tuple[int, ...]:
    """By first byte: the whole size of a scalar whose size the byte tells, 0 for all other values."""
    sizes = [0] * 256
    for first in (*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC2, 0xC3):
        sizes[first] = 1
    for length in range(32):
        sizes[0xA0 + length] = 1 + length
    for first, size in {0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}.items():
        sizes[first] = size
    return tuple(sizes)


_SCALAR_SIZES: Final = _scalar_sizes()
# First byte of a string or container whose length is in the next bytes: how many bytes.
_STRING_LENGTH_BYTES: Final = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAY_LENGTH_BYTES: Final = {0xDC: 2, 0xDD: 4}
_MAP_LENGTH_BYTES: Final = {0xDE: 2, 0xDF: 4}
_REFERENCES: Final = {0xD5: (EXT_ARRAY, 4), 0xD6: (EXT_LIST, 6), 0xD7: (EXT_SPARSE, 10)}


class _Walk:
    """One walk over `data`; positions are byte offsets, each method returns the one after what it checked."""

    __slots__ = ("array_max", "data", "depth_max", "map_max", "values_left")

    def __init__(self, data: bytes, depth_max: int, array_max: int, map_max: int, values_max: int) -> None:
        self.data = data
        self.depth_max = depth_max
        self.array_max = array_max
        self.map_max = map_max
        self.values_left = values_max

    def map(self, at: int, count: int, depth: int) -> int:
        self._enter(count, self.map_max, depth, "map")
        data = self.data
        sizes = _SCALAR_SIZES
        keys = set()
        for _ in range(count):
            first = data[at]
            if 0xA0 <= first <= 0xBF:
                start = at + 1
                at = start + (first & 0x1F)
            else:
                start, at = self._long_string(at, first)
            keys.add(data[start:at])
            size = sizes[data[at]]
            at = at + size if size else self.value(at, depth)
        if len(keys) != count:
            raise WireError("a map has a key twice")
        return at

    def array(self, at: int, count: int, depth: int) -> int:
        self._enter(count, self.array_max, depth, "array")
        data = self.data
        sizes = _SCALAR_SIZES
        for _ in range(count):
            size = sizes[data[at]]
            at = at + size if size else self.value(at, depth)
        return at

    def value(self, at: int, depth: int) -> int:
        """Any value that is not a scalar of known size; `depth` is that of the container around it."""
        first = self.data[at]
        if 0x80 <= first <= 0x8F:
            return self.map(at + 1, first & 0x0F, depth + 1)
        if 0x90 <= first <= 0x9F:
            return self.array(at + 1, first & 0x0F, depth + 1)
        if first in _REFERENCES:
            code, size = _REFERENCES[first]
            if self.data[at + 1] != code:
                raise WireError(f"extension code {self.data[at + 1]} with {size - 2} bytes is unknown")
            return at + size
        if first in _STRING_LENGTH_BYTES:
            return self._long_string(at, first)[1]
        if first in _ARRAY_LENGTH_BYTES:
            return self.array(at + 1 + _ARRAY_LENGTH_BYTES[first], self._length(at, _ARRAY_LENGTH_BYTES[first]), depth + 1)
        if first in _MAP_LENGTH_BYTES:
            return self.map(at + 1 + _MAP_LENGTH_BYTES[first], self._length(at, _MAP_LENGTH_BYTES[first]), depth + 1)
        raise WireError(f"byte 0x{first:02x} at {at} starts no value that a body may have")

    def _enter(self, count: int, count_max: int, depth: int, kind: str) -> None:
        if depth > self.depth_max:
            raise WireError(f"the body nests deeper than {self.depth_max}")
        if count > count_max:
            raise WireError(f"a{'n' if kind == 'array' else ''} {kind} has at most {count_max} entries, not {count}")
        self.values_left -= count
        if self.values_left < 0:
            raise WireError("the body has too many values")

    def _length(self, at: int, size: int) -> int:
        return int.from_bytes(self.data[at + 1 : at + 1 + size], "big")

    def _long_string(self, at: int, first: int) -> tuple[int, int]:
        size = _STRING_LENGTH_BYTES.get(first)
        if size is None:
            raise WireError("a map has a key that is not a string")
        start = at + 1 + size
        return start, start + self._length(at, size)


def check_structure(
    body: bytes | bytearray | memoryview,
    depth_max: int = DEPTH_MAX,
    array_max: int = ARRAY_MAX,
    map_max: int = MAP_MAX,
    values_max: int = VALUES_MAX,
) -> None:
    """Raise WireError unless `body` is exactly one msgpack map within the limits, with string keys, none of them twice.

    Allowed inside: nil, bools, ints, floats, strings, arrays, maps and the extension types of `wire.arrays`.
    `depth_max` counts nested containers, the outermost map being 1; `values_max` bounds the entries of all containers together.
    """
    data = bytes(body)
    if not data or not (0x80 <= data[0] <= 0x8F or data[0] in _MAP_LENGTH_BYTES):
        raise WireError("a body is a map")
    try:
        end = _Walk(data, depth_max, array_max, map_max, values_max).value(0, 0)
    except IndexError:
        raise WireError("the body ends in the middle of a value") from None
    if end != len(data):
        raise WireError("the body ends in the middle of a value" if end > len(data) else "the body has bytes after its map")
