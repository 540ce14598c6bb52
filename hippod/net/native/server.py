"""The listener of the native protocol: who may connect, how many, and the slow clock for their time-outs."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from hippod.engine.engine import Engine
from hippod.errors import HippodError, RetryLater
from hippod.net.logins import Logins
from hippod.net.native.codec import Codec
from hippod.net.native.session import Session
from hippod.net.options import NetOptions

# Deadlines and time-outs are looked at this often: exact enough for both, and nothing for each request.
_CLOCK_S: Final = 0.1
_GOODBYE_S: Final = 1.0
_SMALL_FRAME_BYTES: Final = 1 << 20
# Connections that were refused and are about to close; the oldest makes room for the next.
_REFUSED_MAX: Final = 64


class NativeServer:
    """Owned by the process; all on the event loop. `start`, then `stop`."""

    def __init__(self, engine: Engine, logins: Logins, options: NetOptions) -> None:
        self.engine = engine
        self.logins = logins
        self.options = options
        self.codec = Codec()
        self._sessions: set[Session] = set()
        self._refused: dict[Session, None] = {}
        self._by_address: Counter[str] = Counter()
        self._unfinished: dict[Session, int] = {}
        self._unfinished_bytes = 0
        self._listener: asyncio.Server | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._awaited: tuple[Callable[[], bool], asyncio.Future[None]] | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; the address that it became. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Session(self), host, port, backlog=1_024)
        self._clock = loop.call_later(_CLOCK_S, self._tick)
        name = self._listener.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    async def stop(self) -> None:
        """Take no more connections, let what is in flight finish for a while, then end all sessions."""
        self._is_stopping = True
        if self._listener is not None:
            self._listener.close()
        await self._wait(lambda: all(session.is_idle for session in self._sessions), self.options.stop_timeout_s)
        for session in list(self._sessions):
            session.end(RetryLater("the server is stopping"))
        await self._wait(lambda: not self._sessions, _GOODBYE_S)
        if self._clock is not None:
            self._clock.cancel()
        for session in list(self._sessions):
            session.abort()

    async def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Until the condition holds at a tick of the clock, but not for ever."""
        if not condition():
            self._awaited = condition, asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awaited[1], seconds)
            self._awaited = None

    def admit(self, session: Session) -> HippodError | None:
        self._sessions.add(session)
        refusal = self._refusal(session.address)
        if refusal is None:
            self._by_address[session.address] += 1
            return None
        if len(self._refused) >= _REFUSED_MAX:
            next(iter(self._refused)).abort()
        self._refused[session] = None
        return refusal

    def _refusal(self, address: str) -> HippodError | None:
        limits = self.options
        if self._is_stopping:
            return RetryLater("the server is stopping")
        if self._by_address.total() >= limits.connections_max:
            return RetryLater(f"there are {limits.connections_max} connections, the most allowed", limit=limits.connections_max)
        most = limits.connections_per_address_max
        if self._by_address[address] >= most and not _is_loopback(address):
            return RetryLater(f"there are {most} connections from your address, the most allowed", limit=most)
        return None

    def forget(self, session: Session) -> None:
        self._sessions.discard(session)
        self._unfinished_bytes -= self._unfinished.pop(session, 0)
        if session in self._refused:
            del self._refused[session]
            return
        self._by_address[session.address] -= 1
        if self._by_address[session.address] <= 0:
            del self._by_address[session.address]

    def may_hold(self, session: Session, unfinished_bytes: int) -> bool:
        counted = unfinished_bytes if unfinished_bytes >= _SMALL_FRAME_BYTES else 0
        if not counted and session not in self._unfinished:
            return True
        self._unfinished_bytes += counted - self._unfinished.get(session, 0)
        self._unfinished[session] = counted
        if not counted:
            del self._unfinished[session]
        return self._unfinished_bytes <= self.options.unfinished_frames_bytes_max

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for session in list(self._sessions):
            session.check_times(now)
        if self._awaited is not None and self._awaited[0]() and not self._awaited[1].done():
            self._awaited[1].set_result(None)
        self._clock = loop.call_later(_CLOCK_S, self._tick)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return True
