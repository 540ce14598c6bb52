"""One connection of the native protocol (docs/protocol.md), on the event loop.

    GREETING --HELLO--> LOGIN --LOGIN--> CHECKING --> READY --> ENDING
       `-----------------`-----------------`-----------`-----------^    GOODBYE, then what comes is thrown away

A request runs without a task: the engine gives a future, and its callback writes the reply. There are bounds on both directions: at
most 64 requests are in flight, and while more have arrived, or replies wait for a client that does not read, nothing is read and
nothing more is begun. PING and CANCEL need no place among the 64.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Final, Protocol, cast

from hippod.engine.access import Principal
from hippod.engine.engine import Engine
from hippod.errors import (
    AuthenticationFailed,
    BadRequest,
    Canceled,
    DeadlineExceeded,
    HippodError,
    Internal,
    RetryLater,
    UnknownOutcome,
)
from hippod.net.logins import Logins
from hippod.net.native.backpressure import UnreadReplies
from hippod.net.native.codec import Buffers, Codec
from hippod.net.native.intake import Intake
from hippod.net.options import NetOptions
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import FRAME_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX, FrameHeader, Kind, read_frame
from hippod_client.wire.layouts import Frame, Layout

PROTOCOL_VERSION: Final = 1
SERVER_NAME: Final = f"hippod/{version('hippod')}"
_ENDING_S: Final = 2.0
# Once a connection has brought so much, the others get their turn.
_BYTES_A_TURN: Final = 128 << 10

_Read = tuple[FrameHeader, Layout, Frame]

_log = logging.getLogger(__name__)


class Host(Protocol):
    """What a session needs of its server."""

    engine: Engine
    logins: Logins
    codec: Codec
    options: NetOptions

    def admit(self, session: Session) -> HippodError | None:
        """Count a new session; the reason if it cannot stay."""

    def forget(self, session: Session) -> None:
        """A session has ended."""

    def may_hold(self, session: Session, unfinished_bytes: int) -> bool:
        """Whether the unfinished frame of a session may take so much memory."""


class Stage(enum.Enum):
    GREETING = "greeting"
    LOGIN = "login"
    CHECKING = "checking"
    READY = "ready"
    ENDING = "ending"


class _Running:
    """A request in flight; `deadline` is loop time."""

    __slots__ = ("deadline", "future", "is_read")

    def __init__(self, future: asyncio.Future[object], is_read: bool, deadline: float) -> None:
        self.future = future
        self.is_read = is_read
        self.deadline = deadline


class Session(asyncio.Protocol):
    """Made by the server for each connection; ends itself. Times are loop times."""

    def __init__(self, host: Host) -> None:
        self.address = ""
        self.stage = Stage.GREETING
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._intake = Intake()
        self._running: dict[int, _Running] = {}
        self._held: dict[int, _Read] = {}
        self._outgoing: Buffers = []
        self._principal: Principal | None = None
        self._checking: asyncio.Task[None] | None = None
        self._is_reading = True
        self._since = self._active_at = self._loop.time()
        self._answered_at = self._since
        self._unfinished_since: float | None = None
        self._unread = UnreadReplies(host.options.slow_reader_timeout_s)

    @property
    def is_idle(self) -> bool:
        return not self._running and not self._held

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._host.options.unread_replies_bytes_max)
        peer = self._transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        connection = self._transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        refusal = self._host.admit(self)
        if refusal is not None:
            self.end(refusal)

    def data_received(self, data: bytes) -> None:
        if self.stage is Stage.ENDING:
            return
        self._active_at = self._loop.time()
        try:
            frames = self._intake.feed(data)
        except WireError as error:
            self.end(BadRequest(str(error)))
            return
        self._watch_unfinished(bool(frames))
        for frame in frames:
            self._take(frame)
        if self._held and self._is_reading:
            self._read(False)
        elif len(data) >= _BYTES_A_TURN and self._is_reading:
            # Left to itself the transport reads on for as long as there is more.
            self._read(False)
            self._loop.call_soon(self._resume)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how a connection ends changes nothing
        self.stage = Stage.ENDING
        self._transport = None
        if self._checking is not None:
            self._checking.cancel()
        self._give_up_reads()
        self._host.forget(self)

    def pause_writing(self) -> None:
        self._unread.begin(self._loop.time())
        self._read(False)

    def resume_writing(self) -> None:
        self._unread.end()
        self._resume()

    # The server calls these.

    def check_times(self, now: float) -> None:
        """End what takes too long; called about ten times a second."""
        options = self._host.options
        if self.stage is Stage.ENDING:
            if now - self._active_at > _ENDING_S:
                self.abort()
        elif self._transport is not None and self._unread.is_stuck(now, self._transport.get_write_buffer_size()):
            _log.warning("closed the connection from %s, which does not read its replies", self.address)
            self.abort()
        elif self.stage in (Stage.GREETING, Stage.LOGIN) and now - self._since > options.login_timeout_s:
            self.end(DeadlineExceeded(f"no login within {options.login_timeout_s:g} seconds"))
        elif self._unfinished_since is not None and now - self._unfinished_since > options.frame_timeout_s:
            self.end(DeadlineExceeded(f"a frame was not complete within {options.frame_timeout_s:g} seconds"))
        elif self.stage is Stage.READY and not self._running and now - max(self._active_at, self._answered_at) > options.idle_timeout_s:
            self.end(DeadlineExceeded(f"nothing was sent for {options.idle_timeout_s:g} seconds"))
        else:
            self._check_deadlines(now)

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    def end(self, reason: HippodError) -> None:
        """Say goodbye and close. What still arrives is read and thrown away for a moment, so that the goodbye is not lost."""
        if self.stage is Stage.ENDING or self._transport is None:
            return
        self.stage = Stage.ENDING
        self._active_at = self._loop.time()
        self._give_up_reads()
        self._intake = Intake()
        self._host.may_hold(self, 0)
        self._write(self._host.codec.encode_goodbye(reason))
        self._flush()
        self._read(True)
        # A peer that has reset the connection meanwhile makes asyncio's own transport raise here.
        with suppress(OSError):
            self._transport.write_eof()

    # Frames.

    def _take(self, frame: Frame) -> None:
        try:
            header, layout = read_frame(frame)
        except WireError as error:
            self.end(BadRequest(str(error)))
            return
        self._carefully(self._handle, header, layout, frame)

    def _carefully(self, handle: Callable[[FrameHeader, Layout, Frame], None], header: FrameHeader, layout: Layout, frame: Frame) -> None:
        """Handle a frame: BadRequest refuses it, WireError ends the connection too, and a defect costs only this frame."""
        codec = self._host.codec
        try:
            handle(header, layout, frame)
        except BadRequest as error:
            self._write(codec.encode_error(header.request_id, error))
        except WireError as error:
            refusal = BadRequest(str(error))
            if header.kind is Kind.REQUEST:
                self._write(codec.encode_error(header.request_id, refusal))
            self.end(refusal)
        except Exception as defect:
            self._write(codec.encode_error(header.request_id, _incident(defect)))

    def _handle(self, header: FrameHeader, layout: Layout, frame: Frame) -> None:
        kind, codec = header.kind, self._host.codec
        if self.stage is Stage.READY:
            if kind is Kind.REQUEST:
                if header.request_id in self._running or header.request_id in self._held:
                    raise WireError(f"request id {header.request_id} is in flight already")
                if self._held or not self._has_room():
                    self._held[header.request_id] = header, layout, frame
                else:
                    self._start(header, layout, frame)
            elif kind not in (Kind.PING, Kind.CANCEL):
                raise WireError(f"{kind.name} is not expected after login")
            elif layout.body or layout.places:
                raise WireError(f"a {kind.name} is a header and nothing else")
            elif kind is Kind.PING:
                self._write(codec.encode_plain(Kind.PONG, header.request_id, {}))
            else:
                self._cancel(header.request_id, "the request was canceled")
        elif self.stage is Stage.GREETING and kind is Kind.HELLO:
            self._greet(codec.decode_hello(layout.body).versions)
        elif self.stage is Stage.LOGIN and kind is Kind.LOGIN:
            login = codec.decode_login(layout.body)
            self.stage = Stage.CHECKING
            self._checking = self._loop.create_task(self._login(login.user, login.password))
        elif self.stage is not Stage.ENDING:
            raise WireError(f"{kind.name} is not expected while {self.stage.value}: hello and login come first")

    def _greet(self, versions: list[int]) -> None:
        if PROTOCOL_VERSION not in versions:
            self.end(BadRequest(f"this server speaks version {PROTOCOL_VERSION} of the protocol, the client offers {versions[:16]}"))
            return
        limits = {"requests_in_flight_max": REQUESTS_IN_FLIGHT_MAX, "frame_bytes_max": FRAME_BYTES_MAX}
        welcome = {"version": PROTOCOL_VERSION, "server": SERVER_NAME, "server_id": self._host.engine.server_id, "limits": limits}
        self.stage = Stage.LOGIN
        self._write(self._host.codec.encode_plain(Kind.WELCOME, 0, welcome))

    async def _login(self, user: str, password: str) -> None:
        try:
            self._principal = await self._host.logins.login(user, password, self.address)
        except Exception as failure:
            error = failure if isinstance(failure, HippodError) else _incident(failure)
            if isinstance(error, AuthenticationFailed):
                _log.warning("a login failed from %s", self.address)
            if self.stage is Stage.CHECKING:
                self._write(self._host.codec.encode_error(0, error))
                self.end(error)
            return
        if self.stage is Stage.CHECKING:
            self.stage = Stage.READY
            self._intake.login_done()
            self._write(self._host.codec.encode_plain(Kind.LOGGED_IN, 0, {"user": self._principal.name}))

    def _start(self, header: FrameHeader, layout: Layout, frame: Frame) -> None:
        operation = self._host.codec.decode_request(frame, layout)
        request_id = header.request_id
        assert self._principal is not None
        allowed_s = header.deadline_ms / 1000 if header.deadline_ms else self._host.options.request_timeout_s
        deadline = self._active_at + allowed_s
        future = self._host.engine.submit(operation, self._principal, deadline)
        if future.done():
            self._answer(request_id, future)
            return
        self._running[request_id] = _Running(future, operation.is_read, deadline)
        future.add_done_callback(lambda done: self._finish(request_id, done))

    def _finish(self, request_id: int, future: asyncio.Future[object]) -> None:
        running = self._running.get(request_id)
        if running is None or running.future is not future:
            if not future.cancelled():
                future.exception()
            return
        del self._running[request_id]
        if self.stage is Stage.ENDING or self._transport is None:
            if not future.cancelled():
                future.exception()
            return
        self._answered_at = self._loop.time()
        if running.is_read and self._transport.get_write_buffer_size() > FRAME_BYTES_MAX:
            self._write(self._host.codec.encode_error(request_id, RetryLater("the answers to earlier requests wait to be received first")))
        else:
            self._answer(request_id, future)
        self._resume()

    def _answer(self, request_id: int, future: asyncio.Future[object]) -> None:
        codec = self._host.codec
        error = Canceled("the request was canceled") if future.cancelled() else future.exception()
        if error is None:
            try:
                self._write(codec.encode_reply(request_id, future.result()))
                return
            except Exception as defect:
                error = defect
        self._write(codec.encode_error(request_id, error if isinstance(error, HippodError) else _incident(error)))

    def _cancel(self, request_id: int, why: str, error: HippodError | None = None) -> None:
        """Give up a request and answer it. Nothing happens if it is answered already."""
        if self._held.pop(request_id, None) is not None:
            self._write(self._host.codec.encode_error(request_id, Canceled(f"{why} before it began")))
            return
        running = self._running.pop(request_id, None)
        if running is None:
            return
        running.future.cancel()
        if not running.is_read:
            error = UnknownOutcome(f"{why} while it was carried out; it may or may not be applied")
        self._write(self._host.codec.encode_error(request_id, error or Canceled(why)))
        self._resume()

    def _check_deadlines(self, now: float) -> None:
        """Reads that are late; a write is given up by the queue it waits in, or has been begun and will end."""
        late = [request_id for request_id, running in self._running.items() if running.is_read and running.deadline <= now]
        for request_id in late:
            self._cancel(request_id, "", DeadlineExceeded("the deadline of the request has passed"))

    def _give_up_reads(self) -> None:
        """Nobody will get an answer any more. Writes that have begun end by themselves."""
        self._held.clear()
        for running in self._running.values():
            if running.is_read:
                running.future.cancel()

    # Both directions.

    def _has_room(self) -> bool:
        return len(self._running) < REQUESTS_IN_FLIGHT_MAX and not self._unread.is_too_much

    def _watch_unfinished(self, has_frames: bool) -> None:
        unfinished = self._intake.unfinished_bytes
        if not unfinished:
            self._unfinished_since = None
        elif has_frames or self._unfinished_since is None:
            self._unfinished_since = self._active_at
        if not self._host.may_hold(self, unfinished):
            self.end(RetryLater("too many large requests are being received: try again later"))

    def _resume(self) -> None:
        """Take up what was held back, then read on if nothing stands against it."""
        while self._held and self._has_room():
            self._carefully(self._start, *self._held.pop(next(iter(self._held))))
        if not self._held and not self._is_reading and not self._unread.is_too_much:
            self._read(True)

    def _read(self, wanted: bool) -> None:
        if self._transport is None or self._is_reading == wanted:
            return
        self._is_reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _write(self, buffers: Buffers) -> None:
        """Send a frame: at once if no request is in flight that could be answered in the same turn of the loop, else with its answer.

        A group of writes ends in one turn: one call of the system then takes the answers to all that a client sent at a time.
        """
        if self._transport is None:
            return
        if len(buffers) > 1:
            self._flush()
            self._transport.writelines(buffers)
        elif self._running:
            if not self._outgoing:
                self._loop.call_soon(self._flush)
            self._outgoing += buffers
        else:
            self._outgoing += buffers
            self._flush()

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None:
            self._transport.write(self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing))
        self._outgoing.clear()


def _incident(defect: BaseException) -> Internal:
    """What a client is told of a defect: an id, under which the log has the rest."""
    incident = uuid.uuid4().hex[:12]
    _log.error("request failed, incident %s", incident, exc_info=defect)
    return Internal(f"a defect of the server; its log says more under {incident}", incident=incident)
