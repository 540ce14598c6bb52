"""The conversation with a server without its I/O: greeting, login, the cutting of a byte stream into frames, and deadlines.

client                      server
HELLO  ------------------>
       <------------------  WELCOME     (or GOODBYE: too many connections, no common version)
LOGIN  ------------------>
       <------------------  LOGGED_IN   (or ERROR, then GOODBYE)
then REQUEST, CANCEL and PING at will; REPLY, ERROR and PONG in any order
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from hippod_client.errors import HippodError, ProtocolError, server_error
from hippod_client.wire.bodies import decode_body, encode_body
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import FRAME_BYTES_MAX, HEADER_BYTES, LENGTH_BYTES, REQUESTS_IN_FLIGHT_MAX, Kind, encode_frame, split_frame
from hippod_client.wire.layouts import Frame

PROTOCOL_VERSION: Final = 1

_LENGTH = struct.Struct("<I")
_KIND_AND_ID = struct.Struct("<4xB3xI")
_DEADLINE_MS_MAX: Final = 0xFFFFFFFF
# The server gives up a little before the client does, so that its answer, which is the more exact one, can still arrive.
_ANSWER_MARGIN_S: Final = 0.1


def _client_name() -> str:
    try:
        return f"hippod-client-python/{version('hippod-client')}"
    except PackageNotFoundError:
        return "hippod-client-python/0"


HELLO: Final = b"".join(encode_frame(Kind.HELLO, 0, encode_body({"versions": [PROTOCOL_VERSION], "client": _client_name()})))


def login(user: str, password: str) -> bytes:
    return b"".join(encode_frame(Kind.LOGIN, 0, encode_body({"user": user, "password": password})))


def cancel(request_id: int) -> bytes:
    return b"".join(encode_frame(Kind.CANCEL, request_id, b""))


class Ping:
    """What is sent like a request, and answered without any work."""

    is_read: Final = True

    def frame(self, request_id: int, _deadline_ms: int) -> list[bytes | memoryview]:
        return encode_frame(Kind.PING, request_id, b"")


PING: Final = Ping()


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says of itself. `id` is that of its data and outlives restarts; `window`: requests it takes at a time."""

    name: str
    id: str
    limits: Mapping[str, Any]

    @property
    def window(self) -> int:
        window = self.limits.get("requests_in_flight_max", REQUESTS_IN_FLIGHT_MAX)
        return window if isinstance(window, int) and 1 <= window <= REQUESTS_IN_FLIGHT_MAX else REQUESTS_IN_FLIGHT_MAX


def read_welcome(frame: Frame) -> Server:
    """Raises what the server answered instead, or ProtocolError."""
    body = _expected(frame, Kind.WELCOME)
    if body.get("version") != PROTOCOL_VERSION:
        raise ProtocolError(f"the server chose protocol version {body.get('version')!r}, which was not offered")
    return Server(str(body.get("server")), str(body.get("server_id")), body.get("limits") or {})


def read_logged_in(frame: Frame) -> None:
    """Raises what the server answered instead (AuthenticationFailed), or ProtocolError."""
    _expected(frame, Kind.LOGGED_IN)


def _expected(frame: Frame, kind: Kind) -> dict[str, Any]:
    try:
        header, body, arrays = split_frame(frame)
        content = decode_body(body, arrays)
    except WireError as error:
        raise ProtocolError(f"the server does not speak this protocol: {error}") from error
    if header.kind is kind:
        return content
    if header.kind in (Kind.ERROR, Kind.GOODBYE):
        raise _error(content)
    raise ProtocolError(f"{kind.name} was expected, the server sent {header.kind.name}")


def read_farewell(frame: Frame) -> HippodError:
    """Why the server ends the connection, from a GOODBYE or an ERROR that answers no request."""
    try:
        _, body, arrays = split_frame(frame)
        return _error(decode_body(body, arrays))
    except WireError as error:
        return ProtocolError(f"the server ended the connection in a way not understood: {error}")


def _error(content: Mapping[str, Any]) -> HippodError:
    return server_error(str(content.get("code")), str(content.get("message")), content.get("details") or {})


def deadline_ms(seconds: float | None) -> int:
    """The deadline to tell the server when the client waits so long; 0 leaves it to the server."""
    if seconds is None:
        return 0
    allowed = seconds - min(_ANSWER_MARGIN_S, seconds * 0.1)
    return max(1, min(_DEADLINE_MS_MAX, int(allowed * 1000)))


def kind_and_id(frame: Frame) -> tuple[int, int]:
    """Kind and request id of a frame that need not be checked yet."""
    found: tuple[int, int] = _KIND_AND_ID.unpack_from(frame)
    return found


class FrameCutter:
    """Cuts received bytes into frames. Each frame has memory of its own, so that arrays may be views of it for ever.

    Only lengths are looked at. After a WireError the stream cannot be read on.
    """

    __slots__ = ("_filled", "_head", "_partial")

    def __init__(self) -> None:
        self._head = b""
        self._partial: bytearray | None = None
        self._filled = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""
        if self._partial is None and not self._head and len(data) >= HEADER_BYTES and _frame_bytes(data, 0) == len(data):
            return [data]
        frames: list[Frame] = []
        at = 0
        if self._partial is not None:
            at = min(len(data), len(self._partial) - self._filled)
            self._partial[self._filled : self._filled + at] = data[:at]
            self._filled += at
            if self._filled < len(self._partial):
                return frames
            frames.append(memoryview(self._partial))
            self._partial = None
        elif self._head:
            data = self._head + data
            self._head = b""
        while len(data) - at >= HEADER_BYTES:
            size = _frame_bytes(data, at)
            if at + size > len(data):
                self._begin(size, data[at:])
                return frames
            frames.append(data[at : at + size])
            at += size
        self._head = data[at:]
        return frames

    def missing(self) -> memoryview | None:
        """Where the rest of an incomplete frame is to be received, if its length is known; then call `received`."""
        return None if self._partial is None else memoryview(self._partial)[self._filled :]

    def received(self, count: int) -> list[Frame]:
        """`count` bytes were written to `missing()`."""
        assert self._partial is not None
        self._filled += count
        if self._filled < len(self._partial):
            return []
        whole, self._partial = memoryview(self._partial), None
        return [whole]

    def _begin(self, size: int, data: bytes) -> None:
        self._partial = bytearray(size)
        self._partial[: len(data)] = data
        self._filled = len(data)


def _frame_bytes(data: bytes, at: int) -> int:
    length: int = _LENGTH.unpack_from(data, at)[0]
    if not HEADER_BYTES - LENGTH_BYTES <= length <= FRAME_BYTES_MAX - LENGTH_BYTES:
        raise WireError(f"a frame of length {length}")
    return length + LENGTH_BYTES
