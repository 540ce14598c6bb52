"""The connection of the blocking client: a socket, one request at a time."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from hippod_client import session
from hippod_client.errors import ClientTimeout, ConnectionLost, HippodError, ProtocolError
from hippod_client.requests.base import Request
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import Kind
from hippod_client.wire.layouts import Frame

_RECEIVE_BYTES: Final = 65_536
_BUFFERS_MAX: Final = 512
_REQUEST_ID_MAX: Final = 0xFFFFFFFF
# A connection that was used within this time is taken to be alive without a look.
_PAUSE_S: Final = 0.5


class Connection:
    """A blocking socket that is logged in. After any failure, also a time-out, it is closed: its next bytes would answer nobody."""

    def __init__(self, host: str, port: int, user: str, password: str, deadline: float | None) -> None:
        self._cutter = session.FrameCutter()
        self._last_id = 0
        self._used_at = time.monotonic()
        self._is_open = True
        try:
            self._socket = socket.create_connection((host, port), _remaining(deadline))
        except TimeoutError:
            raise ClientTimeout(f"no connection to {host}:{port} within the time allowed") from None
        except OSError as error:
            raise ConnectionLost(f"cannot connect to {host}:{port}: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            self.server = session.read_welcome(self._exchange([session.HELLO], 0, deadline, is_write=False))
            session.read_logged_in(self._exchange([session.login(user, password)], 0, deadline, is_write=False))
        except BaseException:
            self.close()
            raise

    def ask(self, request: Request[Any], deadline: float | None) -> Frame:
        """The frame that answers a request. Raises ConnectionLost, ClientTimeout or LimitExceeded."""
        remaining = _time_left(deadline)
        request_id = self._next_id()
        return self._exchange(request.frame(request_id, session.deadline_ms(remaining)), request_id, deadline, is_write=not request.is_read)

    def ping(self, deadline: float | None) -> None:
        """Raises ConnectionLost or ClientTimeout."""
        _time_left(deadline)
        request_id = self._next_id()
        self._exchange(session.PING.frame(request_id, 0), request_id, deadline, is_write=False)

    def is_usable(self) -> bool:
        """Whether it is open. After a pause the server may have ended it; a write sent into that would have an unknown outcome."""
        if self._is_open and time.monotonic() - self._used_at > _PAUSE_S:
            self._socket.settimeout(0.0)
            try:
                # Nothing may lie here: neither the end nor a goodbye.
                self._socket.recv(1, socket.MSG_PEEK)
                self.close()
            except BlockingIOError:
                pass
            except OSError:
                self.close()
        return self._is_open

    def interrupt(self) -> None:
        """End what another thread waits for. Any thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._is_open = False
        self._socket.close()

    def _next_id(self) -> int:
        self._last_id = self._last_id % _REQUEST_ID_MAX + 1
        return self._last_id

    def _exchange(self, buffers: Sequence[bytes | memoryview], request_id: int, deadline: float | None, *, is_write: bool) -> Frame:
        try:
            self._send(buffers, deadline)
            answer = self._receive(request_id, deadline)
            self._used_at = time.monotonic()
            return answer
        except TimeoutError:
            self.close()
            raise ClientTimeout("no answer within the time allowed", outcome_unknown=is_write) from None
        except WireError as error:
            self.close()
            raise ProtocolError(f"the server broke the protocol: {error}") from error
        except OSError as error:
            self.close()
            raise ConnectionLost(f"the connection ended: {error}", outcome_unknown=is_write) from error
        except _Farewell as farewell:
            self.close()
            raise ConnectionLost(f"the connection ended: {farewell.error}", outcome_unknown=is_write) from farewell.error
        except BaseException:
            self.close()
            raise

    def _send(self, buffers: Sequence[bytes | memoryview], deadline: float | None) -> None:
        self._socket.settimeout(_remaining(deadline))
        if len(buffers) == 1:
            self._socket.sendall(buffers[0])
            return
        pending = [memoryview(buffer) for buffer in buffers]
        while pending:
            self._socket.settimeout(_remaining(deadline))
            sent = self._socket.sendmsg(pending[:_BUFFERS_MAX])
            while pending and sent >= len(pending[0]):
                sent -= len(pending.pop(0))
            if sent:
                pending[0] = pending[0][sent:]

    def _receive(self, request_id: int, deadline: float | None) -> Frame:
        """The frame that carries `request_id`; goodbyes and errors of the whole connection are raised as _Farewell.

        The greeting has the id 0, which a goodbye has too: there it is the answer.
        """
        while True:
            self._socket.settimeout(_remaining(deadline))
            missing = self._cutter.missing()
            if missing is None:
                data = self._socket.recv(_RECEIVE_BYTES)
                frames, count = self._cutter.feed(data), len(data)
            else:
                count = self._socket.recv_into(missing)
                frames = self._cutter.received(count)
            if not count:
                raise ConnectionResetError("the server closed the connection")
            for frame in frames:
                kind, answered = session.kind_and_id(frame)
                if answered == request_id and (kind != Kind.GOODBYE or not request_id):
                    return frame
                raise _Farewell(session.read_farewell(frame))


class _Farewell(Exception):
    def __init__(self, error: HippodError) -> None:
        super().__init__(str(error))
        self.error = error


def _time_left(deadline: float | None) -> float | None:
    """The seconds left for a request that is not sent yet; ClientTimeout if there are none."""
    try:
        return _remaining(deadline)
    except TimeoutError:
        raise ClientTimeout("the time allowed had passed before the request was sent") from None


def _remaining(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining
