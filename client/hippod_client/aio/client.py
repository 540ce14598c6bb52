"""The asyncio client: its one connection, which is renewed when it is lost, and its life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from hippod_client import requests
from hippod_client.aio.connection import Connection, open_connection
from hippod_client.aio.indexes import IndexMethods
from hippod_client.aio.jobs import JobMethods
from hippod_client.aio.maintenance import MaintenanceMethods
from hippod_client.aio.rows import RowMethods
from hippod_client.aio.searches import SearchMethods
from hippod_client.aio.tables import TableMethods
from hippod_client.aio.users import UserMethods
from hippod_client.calls import ATTEMPTS_MAX, DEFAULT, DEFAULT_TIMEOUT_S, Timeout, backoff_s, seconds_of
from hippod_client.errors import ClientTimeout, ConnectionLost, HippodError, RetryLater
from hippod_client.requests.base import Request
from hippod_client.results import StatusInfo

T = TypeVar("T")
A = TypeVar("A")


class Client(IndexMethods, JobMethods, MaintenanceMethods, RowMethods, SearchMethods, TableMethods, UserMethods):
    """A connection to a hippod server, for asyncio.

        async with Client() as client:
            result = await client.search("books", query, k=5)

    Many calls may run at the same time: they share one connection, up to 64 requests in flight, and are answered in any order; further
    calls wait their turn. A lost connection is renewed with back-off: reads, and writes that had not been sent, are repeated then;
    a write that may have reached the server raises ConnectionLost with `outcome_unknown`, for the caller to decide.

    `database` is the one that calls use; `timeout` (seconds, None for no limit) bounds each call unless it is given its own, and the
    server is told, so that it does not go on for nobody. Errors are described in `hippod_client.errors`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8901,
        *,
        user: str = "shiva",
        password: str = "shiva",  # noqa: S107 # the well-known pair that a new server has on loopback
        database: str = "default",
        timeout: float | None = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.database = database
        self.timeout = timeout
        self._address = host, port
        self._login = user, password
        self._connection: Connection | None = None
        self._connecting: asyncio.Lock = asyncio.Lock()
        self._was_connected = False
        self._is_closed = False

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect and log in now; otherwise the first call does. Raises ConnectionLost, AuthenticationFailed or ClientTimeout."""
        await self._connected(self._deadline(DEFAULT))

    async def close(self) -> None:
        """End the connection; calls that are open raise ConnectionLost, and later ones do so at once."""
        self._is_closed = True
        if self._connection is not None:
            await self._connection.close()

    @property
    def server_id(self) -> str | None:
        """The identity of the server's data, 32 hex digits; None before the first connection."""
        server = self._connection.server if self._connection is not None else None
        return None if server is None else server.id

    async def ping(self, *, timeout: Timeout = DEFAULT) -> None:
        """A round trip that the server answers without doing anything."""
        await self._repeated(Connection.ping, timeout)

    async def status(self, *, timeout: Timeout = DEFAULT) -> StatusInfo:
        """The state of the server as a whole."""
        return await self._call(requests.status(), timeout)

    def _deadline(self, timeout: Timeout) -> float | None:
        seconds = seconds_of(timeout, self.timeout)
        return None if seconds is None else asyncio.get_running_loop().time() + seconds

    async def _call(self, request: Request[T], timeout: Timeout) -> T:
        """Send a request and read its reply."""
        return request.read_reply(await self._repeated(lambda connection, deadline: connection.ask(request, deadline), timeout))

    async def _repeated(self, exchange: Callable[[Connection, float | None], Awaitable[A]], timeout: Timeout) -> A:
        """Do an exchange; again if the connection was lost and sending twice does no harm."""
        deadline = self._deadline(timeout)
        attempt = 0
        while True:
            connection = self._connection
            if connection is None or not connection.is_open:
                connection = await self._connected(deadline)
            try:
                return await exchange(connection, deadline)
            except ConnectionLost as error:
                attempt += 1
                if self._is_closed or error.outcome_unknown or (deadline is None and attempt > ATTEMPTS_MAX):
                    raise
                await self._back_off(attempt, deadline, error)

    async def _connected(self, deadline: float | None) -> Connection:
        """The open connection, or a new one. The first is tried once; a lost one is tried for again until the deadline."""
        try:
            async with asyncio.timeout_at(deadline), self._connecting:
                return await self._connect_again(deadline)
        except TimeoutError:
            raise ClientTimeout(f"no connection to {self._address[0]}:{self._address[1]} within the time allowed") from None

    async def _connect_again(self, deadline: float | None) -> Connection:
        attempt = 0
        while not self._is_closed:
            if self._connection is not None and self._connection.is_open:
                return self._connection
            try:
                self._connection = await open_connection(*self._address, *self._login)
                self._was_connected = True
            except (ConnectionLost, RetryLater) as error:
                attempt += 1
                if not self._was_connected or (deadline is None and attempt > ATTEMPTS_MAX):
                    raise
                await self._back_off(attempt, deadline, error)
        if self._connection is not None:
            await self._connection.close()
        raise ConnectionLost("the client was closed")

    async def _back_off(self, attempt: int, deadline: float | None, error: HippodError) -> None:
        pause = backoff_s(attempt)
        if deadline is not None and asyncio.get_running_loop().time() + pause >= deadline:
            raise error
        await asyncio.sleep(pause)
