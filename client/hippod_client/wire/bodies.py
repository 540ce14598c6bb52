"""Bodies of frames for programs without typed messages: maps packed and unpacked with msgpack, arrays moved to blocks.

Only for bodies from a peer that is trusted (a client reading its server): limits on structure are the work of `scan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgpack
import numpy as np

from hippod_client.wire.arrays import (
    EXT_ARRAY,
    EXT_LIST,
    EXT_SPARSE,
    WireArray,
    WireBytes,
    WireLists,
    WireValues,
    array_reference,
    list_reference,
    resolve_reference,
    sparse_reference,
)
from hippod_client.wire.errors import WireError

_REFERENCES_MADE: Final = 16
_REFERENCES: Final = tuple(msgpack.ExtType(EXT_ARRAY, array_reference(index)) for index in range(_REFERENCES_MADE))


class Blocks(list[WireArray]):
    """The blocks of a frame in the making; `refer` adds one and returns what the body holds in its place."""

    __slots__ = ()

    def refer(self, values: WireValues) -> msgpack.ExtType:
        index = len(self)
        if isinstance(values, (np.ndarray, WireBytes)):  # several times quicker than a union, and asked for each column
            self.append(values)
            return _REFERENCES[index] if index < _REFERENCES_MADE else msgpack.ExtType(EXT_ARRAY, array_reference(index))
        if isinstance(values, WireLists):
            self += (values.offsets, values.values)
            return msgpack.ExtType(EXT_LIST, list_reference(index, index + 1))
        self += (values.offsets, values.indices, values.values)
        return msgpack.ExtType(EXT_SPARSE, sparse_reference(index, index + 1, index + 2))


def encode_body(body: dict[str, Any]) -> bytes:
    """The msgpack bytes of `body`; WireError for a value that msgpack has no form for."""
    try:
        packed: bytes = msgpack.packb(body)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"the body cannot be packed: {error}") from error
    return packed


def decode_body(body: bytes | memoryview, arrays: Sequence[WireArray] = ()) -> dict[str, Any]:
    """The map in `body` with each extension value replaced by its array; WireError if it is not exactly one map."""

    def resolve(code: int, data: bytes) -> WireValues:
        return resolve_reference(code, data, arrays)

    try:
        value = msgpack.unpackb(body, ext_hook=resolve)
    except (ValueError, msgpack.UnpackException) as error:
        raise WireError(f"the body is not msgpack: {error}") from error
    if not isinstance(value, dict):
        raise WireError("a body is a map")
    return value
