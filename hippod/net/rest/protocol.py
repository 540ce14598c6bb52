"""HTTP/1.1 on a connection: uvicorn's protocol with our limits on heads, speeds and connections, and JSON where it writes text."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from hippod.net.options import NetOptions
from hippod.net.rest.envelope import error_reply
from hippod.net.rest.refusals import HttpRefusal

LINE_BYTES_MAX: Final = 8 << 10
HEADERS_BYTES_MAX: Final = 16 << 10
HEADERS_MAX: Final = 100
# Between two looks at an unfinished head so much may have come unseen.
_HEAD_BYTES_MAX: Final = 64 << 10
_BODY_BYTES_PER_S_MIN: Final = 1_024


class Host(Protocol):
    """What a connection needs of its server."""

    options: NetOptions

    def admit(self, connection: HttpProtocol) -> HttpRefusal | None:
        """Count a new connection; the reason if it cannot stay."""

    def forget(self, connection: HttpProtocol) -> None:
        """A connection has ended."""


class HttpProtocol(HttpToolsProtocol):
    """Made by the server for each connection. Times are loop times.

    `_head_since`: a request has begun whose head is not complete, or none has come yet; `_body_since`: its body is not complete.
    """

    def __init__(self, host: Host, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(config, state, {}, loop)
        self.address = ""
        self._host = host
        self._refusal: HttpRefusal | None = None
        self._head_since: float | None = None
        self._body_since: float | None = None
        self._head_bytes = self._header_bytes = self._body_bytes = 0

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self.address = self.client[0] if self.client else ""
        self._head_since = self.loop.time()
        refusal = self._host.admit(self)
        if refusal is not None:
            self._refuse(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        self._host.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._head_since is not None and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES_MAX:
                self._refuse(_head_too_large())

    # The parser calls these.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_since = self.loop.time()
        self._head_bytes = self._header_bytes = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > LINE_BYTES_MAX:
            self._stop(HttpRefusal(414, f"a request line has at most {LINE_BYTES_MAX} bytes", closes=True))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADERS_BYTES_MAX or len(self.headers) > HEADERS_MAX:
            self._stop(_head_too_large())

    def on_headers_complete(self) -> None:
        self._head_since = None
        self._body_since = self.loop.time()
        if self.parser.should_upgrade():
            self._stop(HttpRefusal(400, "this server speaks HTTP/1.1 only: no upgrade", closes=True))
        if sum(name == b"host" for name, _ in self.headers) > 1:
            self._stop(HttpRefusal(400, "there is more than one Host header", closes=True))
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._body_since = None
        super().on_message_complete()

    def _stop(self, refusal: HttpRefusal) -> None:
        """End the parsing from within it: what is raised here comes back to us as `send_400_response`."""
        self._refusal = refusal
        raise refusal

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's text says less than the refusal
        self._refuse(self._refusal or HttpRefusal(400, "this is not valid HTTP/1.1", closes=True))

    # The server calls these.

    def check_times(self, now: float) -> None:
        """Refuse a head or a body that comes too slowly; called about ten times a second."""
        options = self._host.options
        if self._head_since is not None and now - self._head_since > options.http_head_timeout_s:
            self._refuse(HttpRefusal(408, f"no complete request head within {options.http_head_timeout_s:g} seconds", closes=True))
        elif self._body_since is not None and not self.flow.read_paused:
            late_s = now - self._body_since - options.http_head_timeout_s
            if late_s > 0 and self._body_bytes < late_s * _BODY_BYTES_PER_S_MIN:
                self._refuse(HttpRefusal(408, f"the body comes at less than {_BODY_BYTES_PER_S_MIN} bytes a second", closes=True))

    def abort(self) -> None:
        self.transport.abort()

    def _refuse(self, refusal: HttpRefusal) -> None:
        """Answer outside of any route, and close. If an answer is under way already, only close."""
        self._head_since = self._body_since = None
        if self.transport.is_closing():
            return
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(self._bytes_of(refusal))
        self.transport.close()

    def _bytes_of(self, refusal: HttpRefusal) -> bytes:
        reply = error_reply(refusal)
        headers: list[tuple[Any, Any]] = [
            *self.server_state.default_headers,
            (b"content-type", reply.media_type.encode()),
            (b"content-length", b"%d" % len(reply.body)),
            *((name.encode(), value.encode()) for name, value in reply.headers.items()),
        ]
        lines = (b"%s: %s\r\n" % header for header in headers)
        return b"".join([STATUS_LINE[reply.status], *lines, b"\r\n", reply.body])


def _head_too_large() -> HttpRefusal:
    return HttpRefusal(431, f"the headers have at most {HEADERS_BYTES_MAX} bytes and are at most {HEADERS_MAX}", closes=True)
