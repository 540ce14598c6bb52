"""Frames to typed operations, results and errors to frames. Bodies are decoded straight into the engine's operations."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from hippod.engine.arrays import BytesArray, ListArray, SparseArray, StringArray, slice_values
from hippod.engine.operations import AnyOperation
from hippod.errors import BadRequest, HippodError, LimitExceeded
from hippod.net.native.alike import AlikeRequests
from hippod_client.wire.arrays import (
    EXT_ARRAY,
    EXT_LIST,
    EXT_SPARSE,
    WireArray,
    WireBytes,
    WireLists,
    WireSparse,
    WireStrings,
    array_reference,
    list_reference,
    resolve_reference,
    sparse_reference,
)
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import Kind, encode_frame
from hippod_client.wire.layouts import Frame, Layout
from hippod_client.wire.scan import check_structure

Buffers = list[bytes | memoryview]

# Data travel beside the body, so a program that asks the same kind of thing again and again sends the same short body each time.
_REMEMBERED_BYTES_MAX: Final = 512
_REMEMBERED_BODIES: Final = 256
# Errors repeat what was sent; a name of a megabyte must not come back.
_SHOWN_MAX: Final = 1_000
_REFERENCES_MADE: Final = 16
_REFERENCES: Final = tuple(msgspec.msgpack.Ext(EXT_ARRAY, array_reference(index)) for index in range(_REFERENCES_MADE))


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    versions: list[int]
    client: str


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user: str
    password: str


_HELLO = msgspec.msgpack.Decoder(Hello)
_LOGIN = msgspec.msgpack.Decoder(Login)
_T = TypeVar("_T")


class Codec:
    """One for all sessions of an event loop: it holds the arrays of the frame that is being decoded or encoded."""

    def __init__(self) -> None:
        self._alike = AlikeRequests()
        self._arrays: list[WireArray] = []
        self._decoder = msgspec.msgpack.Decoder(AnyOperation, ext_hook=self._resolve)
        self._encoder = msgspec.msgpack.Encoder(enc_hook=self._refer)

    def decode_request(self, frame: Frame, layout: Layout) -> AnyOperation:
        """The operation of a REQUEST. Raises WireError for bytes that break the protocol, BadRequest for a body that is no operation."""
        known = self._alike.decode(frame, layout)
        if known is not None:
            return known
        if len(layout.body) > _REMEMBERED_BYTES_MAX:
            check_structure(layout.body)
            return self._decode(layout.body, layout.arrays(frame))
        _check_structure_once(layout.body)
        operation = self._decode(layout.body, layout.arrays(frame))
        self._alike.remember(operation, layout)
        return operation

    def _decode(self, body: bytes, arrays: list[WireArray]) -> AnyOperation:
        self._arrays = arrays
        try:
            operation: AnyOperation = self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise BadRequest(f"not a valid request: {error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError(f"the body is not msgpack: {error}") from error
        finally:
            self._arrays = []
        return operation

    def decode_hello(self, body: bytes) -> Hello:
        """Raises WireError."""
        return _decode_greeting(_HELLO, body)

    def decode_login(self, body: bytes) -> Login:
        """Raises WireError."""
        return _decode_greeting(_LOGIN, body)

    def encode_reply(self, request_id: int, result: object) -> Buffers:
        """A REPLY, or an ERROR if the result does not fit into a frame."""
        self._arrays = []
        try:
            return encode_frame(Kind.REPLY, request_id, self._encoder.encode(result), self._arrays)
        except WireError as error:
            return self.encode_error(request_id, LimitExceeded(f"the answer is too large: {error}"))
        finally:
            self._arrays = []

    def encode_error(self, request_id: int, error: HippodError, kind: Kind = Kind.ERROR) -> Buffers:
        given = error.details.items()
        details = {name: value if isinstance(value, int | float | bool) else _shortened(str(value)) for name, value in given}
        return self.encode_plain(kind, request_id, {"code": error.code, "message": _shortened(error.message), "details": details})

    def encode_goodbye(self, error: HippodError) -> Buffers:
        return self.encode_plain(Kind.GOODBYE, 0, {"code": error.code, "message": _shortened(error.message)})

    def encode_plain(self, kind: Kind, request_id: int, body: object) -> Buffers:
        """A frame without arrays."""
        return encode_frame(kind, request_id, self._encoder.encode(body))

    def _resolve(self, code: int, data: memoryview) -> Any:
        found = resolve_reference(code, data, self._arrays)
        if isinstance(found, np.ndarray):
            return found
        if isinstance(found, WireLists):
            values = _cells(found.values) if isinstance(found.values, WireBytes) else found.values
            return ListArray(found.offsets.astype(np.int64), values)
        if isinstance(found, WireSparse):
            return SparseArray(found.offsets.astype(np.int64), found.indices, found.values)
        return _cells(found)

    def _refer(self, value: object) -> msgspec.msgpack.Ext:
        if isinstance(value, np.ndarray):
            return self._add(value)
        if isinstance(value, BytesArray):
            return self._add(_wire_cells(value))
        index = len(self._arrays)
        if isinstance(value, ListArray):
            first, last = int(value.offsets[0]), int(value.offsets[-1])
            inner: Any = slice_values(value.values, first, last)
            self._arrays.append((value.offsets - first).astype(np.int32))
            self._arrays.append(_wire_cells(inner) if isinstance(inner, BytesArray) else inner)
            return msgspec.msgpack.Ext(EXT_LIST, list_reference(index, index + 1))
        if isinstance(value, SparseArray):
            cut = value.compact()
            self._arrays += (cut.offsets.astype(np.int32), cut.indices, cut.values)
            return msgspec.msgpack.Ext(EXT_SPARSE, sparse_reference(index, index + 1, index + 2))
        raise TypeError(f"{type(value).__name__} has no place in a reply")

    def _add(self, array: WireArray) -> msgspec.msgpack.Ext:
        index = len(self._arrays)
        self._arrays.append(array)
        return _REFERENCES[index] if index < _REFERENCES_MADE else msgspec.msgpack.Ext(EXT_ARRAY, array_reference(index))


@lru_cache(_REMEMBERED_BODIES)
def _check_structure_once(body: bytes) -> None:
    """As `check_structure`; a body that has passed lately is not walked again."""
    check_structure(body)


def _decode_greeting(decoder: msgspec.msgpack.Decoder[_T], body: bytes) -> _T:
    check_structure(body)
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"not the body of a hello or login: {error}") from None


def _shortened(text: str) -> str:
    """What can be sent of a text: not too much of it, and no lone surrogates."""
    shown = text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."
    return shown.encode(errors="replace").decode()


def _cells(wire: WireBytes) -> BytesArray:
    kind = StringArray if isinstance(wire, WireStrings) else BytesArray
    return kind(wire.offsets.astype(np.int64), wire.data)


def _wire_cells(cells: BytesArray) -> WireBytes:
    kind = WireStrings if isinstance(cells, StringArray) else WireBytes
    first, last = int(cells.offsets[0]), int(cells.offsets[-1])
    return kind((cells.offsets - first).astype(np.uint32), cells.data[first:last])
