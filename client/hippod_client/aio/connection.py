"""One connection of the asyncio client: many requests at a time, answered in any order. Event loop only.

A request holds a slot of the server's window from its sending to its answer, also when nobody waits for the answer any more; who finds
no slot, or a socket that takes no more bytes, waits in line. One timer serves all deadlines: it is set to the earliest and moves
on when it fires, so that a request with a usual deadline costs no timer.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, cast

from hippod_client import session
from hippod_client.errors import ClientTimeout, ConnectionLost, HippodError, ProtocolError
from hippod_client.requests.base import Request
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import REQUESTS_IN_FLIGHT_MAX, Kind
from hippod_client.wire.layouts import Frame

_REPLY: Final = int(Kind.REPLY)
_ERROR: Final = int(Kind.ERROR)
_PONG: Final = int(Kind.PONG)
_GOODBYE: Final = int(Kind.GOODBYE)
_REQUEST_ID_MAX: Final = 0xFFFFFFFF
# A canceled request must be answered; a server that does not within this time is taken for dead.
_CANCEL_ANSWER_S: Final = 10.0


class _Pending:
    """A request sent and not yet answered. `deadline` is loop time; `is_write`: without an answer its outcome is unknown."""

    __slots__ = ("deadline", "future", "is_write")

    def __init__(self, future: asyncio.Future[Frame], deadline: float | None, is_write: bool) -> None:
        self.future = future
        self.deadline = deadline
        self.is_write = is_write


class Connection(asyncio.Protocol):
    """Made by `open_connection`, closed by `close` or by the server; a closed one is never used again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._cutter = session.FrameCutter()
        self._greeting: asyncio.Future[Frame] | None = None
        self._pending: dict[int, _Pending] = {}
        self._outgoing: list[bytes | memoryview] = []
        self._line: deque[asyncio.Future[None]] = deque()
        self._granted = 0
        self._last_id = 0
        self._window = REQUESTS_IN_FLIGHT_MAX
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._farewell: BaseException | None = None
        self._ended = loop.create_future()
        self.is_open = False
        self.server: session.Server | None = None

    # What the client calls.

    async def greet(self, user: str, password: str) -> None:
        """Say hello and log in. Raises AuthenticationFailed, ConnectionLost or what the server says instead."""
        self.server = session.read_welcome(await self._ask(session.HELLO))
        self._window = self.server.window
        session.read_logged_in(await self._ask(session.login(user, password)))

    async def ask(self, request: Request[Any] | session.Ping, deadline: float | None) -> Frame:
        """Send a request and return the frame that answers it. Raises ConnectionLost, ClientTimeout or LimitExceeded."""
        if self._line or self._is_full():
            await self._wait_in_line(deadline)
        remaining = self._remaining(deadline)
        request_id = self._next_id()
        try:
            buffers = request.frame(request_id, session.deadline_ms(remaining))
        except HippodError:
            self._wake_next()
            raise
        future = self._send(request_id, buffers, deadline, is_write=not request.is_read)
        try:
            return await future
        except asyncio.CancelledError:
            self._give_up(request_id)
            raise

    async def ping(self, deadline: float | None) -> None:
        """Raises ConnectionLost or ClientTimeout."""
        await self.ask(session.PING, deadline)

    async def close(self) -> None:
        """End the connection; open requests fail with ConnectionLost."""
        if self._transport is not None:
            self._farewell = self._farewell or ConnectionLost("the client was closed")
            self.is_open = False
            # What is still to be sent has nobody who waits for it: a server that does not read must not hold up the end.
            self._transport.abort()
            await asyncio.shield(self._ended)

    # Requests.

    def _send(
        self, request_id: int, buffers: Sequence[bytes | memoryview], deadline: float | None, *, is_write: bool
    ) -> asyncio.Future[Frame]:
        """Send a frame; the future gets the one that answers it, and who does not await it to its end has to `_give_up`."""
        transport = self._transport
        if transport is None or not self.is_open or transport.is_closing():
            raise self._lost(outcome_unknown=False)
        future: asyncio.Future[Frame] = self._loop.create_future()
        self._pending[request_id] = _Pending(future, deadline, is_write)
        if deadline is not None and (self._timer is None or deadline < self._timer_at):
            self._set_timer(deadline)
        self._write(buffers)
        return future

    def _write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """Send a frame: at once if nothing else is under way, else together with what is asked in the same turn of the loop."""
        if len(buffers) > 1:
            self._flush()
            if self._transport is not None:
                self._transport.writelines(buffers)
        elif len(self._pending) > 1:
            if not self._outgoing:
                self._loop.call_soon(self._flush)
            self._outgoing += buffers
        else:
            self._outgoing += buffers
            self._flush()

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing))
        self._outgoing.clear()

    def _next_id(self) -> int:
        self._last_id = self._last_id % _REQUEST_ID_MAX + 1
        while self._last_id in self._pending:
            self._last_id = self._last_id % _REQUEST_ID_MAX + 1
        return self._last_id

    def _is_full(self) -> bool:
        return self._paused or len(self._pending) + self._granted >= self._window

    def _remaining(self, deadline: float | None) -> float | None:
        """The seconds left to who has a slot now. Raises ClientTimeout, the slot passed on, if there are none."""
        remaining = None if deadline is None else deadline - self._loop.time()
        if remaining is not None and remaining <= 0:
            self._wake_next()
            raise ClientTimeout("the time allowed had passed before the request was sent")
        return remaining

    async def _wait_in_line(self, deadline: float | None) -> None:
        """Return when it is the caller's turn, who must send at once then. Raises ConnectionLost or ClientTimeout."""
        if not self.is_open:
            raise self._lost(outcome_unknown=False)
        turn: asyncio.Future[None] = self._loop.create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except TimeoutError:
            self._pass_on(turn)
            raise ClientTimeout("the time allowed passed while the request waited to be sent") from None
        except asyncio.CancelledError:
            self._pass_on(turn)
            raise
        self._granted -= 1

    def _pass_on(self, turn: asyncio.Future[None]) -> None:
        """Who had this turn does not take it: if it was granted already, it is the next one's."""
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self._granted -= 1
            self._wake_next()

    def _wake_next(self) -> None:
        """Grant turns in order. A granted turn holds its slot until it is taken, so nobody overtakes and nobody waits twice."""
        while self._line and not self._is_full():
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                self._granted += 1

    # Deadlines.

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._loop.time()
        for request_id, pending in list(self._pending.items()):
            if pending.deadline is None or pending.deadline > now:
                continue
            if pending.future.done():
                self._end(ConnectionLost("the server left a canceled request without an answer"))
                return
            pending.future.set_exception(ClientTimeout("no answer within the time allowed", outcome_unknown=pending.is_write))
            self._give_up(request_id)
        following = min((p.deadline for p in self._pending.values() if p.deadline is not None), default=None)
        if following is not None:
            self._set_timer(following)

    def _give_up(self, request_id: int) -> None:
        """Nobody waits for this answer any more: ask the server to stop, and keep the slot until it answers."""
        pending = self._pending.get(request_id)
        if pending is None or self._transport is None or self._transport.is_closing():
            return
        self._write([session.cancel(request_id)])
        pending.deadline = self._loop.time() + _CANCEL_ANSWER_S
        if self._timer is None or pending.deadline < self._timer_at:
            self._set_timer(pending.deadline)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transports derive from asyncio's: uvloop's do not.
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._cutter.feed(data):
                self._take(frame)
        except WireError as error:
            self._end(ProtocolError(f"the server broke the protocol: {error}"))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake_next()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._farewell = self._farewell or error
        if self._timer is not None:
            self._timer.cancel()
        for turn in self._line:
            if not turn.done():
                turn.set_exception(self._lost(outcome_unknown=False))
        self._line.clear()
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(self._lost(outcome_unknown=pending.is_write))
        self._pending.clear()
        if self._greeting is not None and not self._greeting.done():
            self._greeting.set_exception(self._lost(outcome_unknown=False))
        if not self._ended.done():
            self._ended.set_result(None)

    # Frames.

    def _take(self, frame: Frame) -> None:
        kind, request_id = session.kind_and_id(frame)
        if kind in (_REPLY, _ERROR, _PONG):
            pending = self._pending.pop(request_id, None)
            if pending is not None:
                if not pending.future.done():
                    pending.future.set_result(frame)
                if self._line:
                    self._wake_next()
                return
        if self._greeting is not None and not self._greeting.done():
            self._greeting.set_result(frame)
        elif kind in (_ERROR, _GOODBYE):
            self._end(session.read_farewell(frame))
        else:
            raise WireError(f"a frame of kind {kind} that nobody asked for")

    async def _ask(self, buffer: bytes) -> Frame:
        """Send one frame of the greeting and return what answers it."""
        if self._transport is None or not self.is_open:
            raise self._lost(outcome_unknown=False)
        self._greeting = self._loop.create_future()
        self._transport.write(buffer)
        return await self._greeting

    def _end(self, reason: HippodError) -> None:
        self._farewell = self._farewell or reason
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def _lost(self, *, outcome_unknown: bool) -> ConnectionLost:
        reason = self._farewell
        error = ConnectionLost(
            "the server closed the connection" if reason is None else f"the connection ended: {reason}", outcome_unknown=outcome_unknown
        )
        error.__cause__ = reason
        return error


async def open_connection(host: str, port: int, user: str, password: str) -> Connection:
    """A connection that is logged in. Raises AuthenticationFailed, ConnectionLost, or what else the server answers."""
    loop = asyncio.get_running_loop()
    try:
        _, connection = await loop.create_connection(lambda: Connection(loop), host, port)
    except OSError as error:
        raise ConnectionLost(f"cannot connect to {host}:{port}: {error}") from error
    try:
        await connection.greet(user, password)
    except BaseException:
        await connection.close()
        raise
    return connection
