"""An engine that answers when the test says so, behind the real native server on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, cast

from hippod.engine.access import Principal
from hippod.engine.engine import Engine
from hippod.engine.operations import Operation
from hippod.errors import AuthenticationFailed
from hippod.net.logins import Logins
from hippod.net.native.server import NativeServer
from hippod.net.options import NetOptions
from tests.protocol.peer import PATIENCE_S, Peer


class Submitted(NamedTuple):
    """`deadline` is loop time; the test completes `answer`."""

    operation: Operation
    deadline: float
    answer: asyncio.Future[Any]


class SlowEngine:
    """`submitted` are the operations that came, in order."""

    server_id = "0" * 32

    def __init__(self) -> None:
        self.submitted: list[Submitted] = []
        self._more = asyncio.Event()

    def submit(self, operation: Operation, _principal: Principal, deadline: float) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.submitted.append(Submitted(operation, deadline, answer))
        self._more.set()
        return answer

    async def has(self, count: int) -> None:
        """Wait until so many operations have come."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.submitted) < count:
                self._more.clear()
                await self._more.wait()


async def authenticate(user: str, password: str) -> Principal:
    if (user, password) != ("shiva", "shiva"):
        raise AuthenticationFailed("wrong user or password")
    return Principal(user)


class Served(NamedTuple):
    """A server over a slow engine; `connect` gives a peer that is not greeted, `greeted` one that is."""

    engine: SlowEngine
    server: NativeServer
    address: tuple[str, int]
    connect: Callable[[], Any]

    async def greeted(self) -> Peer:
        peer: Peer = await (await self.connect()).greet()
        return peer


@asynccontextmanager
async def served(check: Callable[[str, str], Any] = authenticate, **limits: Any) -> AsyncIterator[Served]:
    engine = SlowEngine()
    server = NativeServer(cast("Engine", engine), Logins(check), NetOptions(stop_timeout_s=0.3, **limits))
    host, port = await server.start("127.0.0.1", 0)
    peers: list[Peer] = []

    async def connect() -> Peer:
        peers.append(await Peer.connect(host, port))
        return peers[-1]

    try:
        yield Served(engine, server, (host, port), connect)
    finally:
        for peer in peers:
            with suppress(ConnectionError):
                await peer.close()
        await server.stop()
