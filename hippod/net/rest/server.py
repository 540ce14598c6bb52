"""The listener of the REST API: who may connect, how many, the slow clock for their time-outs, and the ordered stop."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from contextlib import suppress
from email.utils import formatdate
from typing import Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from hippod.engine.engine import Engine
from hippod.net.logins import Logins
from hippod.net.options import NetOptions
from hippod.net.rest.app import make_app
from hippod.net.rest.guard import Guard, own_hosts
from hippod.net.rest.protocol import HttpProtocol
from hippod.net.rest.refusals import HttpRefusal

_CLOCK_S: Final = 0.1
_GOODBYE_S: Final = 1.0
# On every reply: nothing here is a page, is kept, or may be framed.
_HEADERS: Final = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
]


class RestServer:
    """Owned by the process; all on the event loop. `start`, then `stop`."""

    def __init__(self, engine: Engine, logins: Logins, options: NetOptions) -> None:
        self.options = options
        self._app = make_app(engine, logins, options)
        self._state = ServerState()
        self._connections: set[HttpProtocol] = set()
        self._by_address: Counter[str] = Counter()
        self._listener: asyncio.Server | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._is_stopping = False

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; the address that it became. Raises OSError."""
        loop = asyncio.get_running_loop()
        config = Config(
            Guard(self._app, own_hosts(host, self.options.http_hosts)),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            # What strangers send is answered, not logged line by line.
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=round(self.options.idle_timeout_s),
            headers=_HEADERS,
        )
        config.load()
        self._fixed_headers = config.encoded_headers
        self._listener = await loop.create_server(lambda: HttpProtocol(self, config, self._state, loop), host, port, backlog=1_024)
        self._tick()
        name = self._listener.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    async def stop(self) -> None:
        """Take no more connections, let what is being answered finish for a while, then end all."""
        self._is_stopping = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._connections):
            connection.shutdown()
        tasks = set(self._state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self.options.stop_timeout_s)
            for task in late:
                task.cancel()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*late, return_exceptions=True), _GOODBYE_S)
        if self._clock is not None:
            self._clock.cancel()
        for connection in list(self._connections):
            connection.abort()

    def admit(self, connection: HttpProtocol) -> HttpRefusal | None:
        self._connections.add(connection)
        self._by_address[connection.address] += 1
        limits = self.options
        if self._is_stopping:
            return HttpRefusal(503, "the server is stopping", closes=True)
        if len(self._connections) > limits.connections_max:
            return HttpRefusal(429, f"there are {limits.connections_max} connections, the most allowed", closes=True)
        if self._by_address[connection.address] > limits.connections_per_address_max and not _is_loopback(connection.address):
            most = limits.connections_per_address_max
            return HttpRefusal(429, f"there are {most} connections from your address, the most allowed", closes=True)
        return None

    def forget(self, connection: HttpProtocol) -> None:
        self._connections.discard(connection)
        self._by_address[connection.address] -= 1
        if self._by_address[connection.address] <= 0:
            del self._by_address[connection.address]

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode()), *self._fixed_headers]
        for connection in list(self._connections):
            connection.check_times(now)
        self._clock = loop.call_later(_CLOCK_S, self._tick)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return True
