"""The blocking client: its one connection, which is renewed when it is lost, and its life."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from hippod_client import requests
from hippod_client.aio.client import Client as _AsyncClient
from hippod_client.calls import ATTEMPTS_MAX, DEFAULT, DEFAULT_TIMEOUT_S, Timeout, backoff_s, seconds_of
from hippod_client.errors import ClientTimeout, ConnectionLost, HippodError, RetryLater
from hippod_client.requests.base import Request
from hippod_client.results import StatusInfo
from hippod_client.sync.connection import Connection
from hippod_client.sync.indexes import IndexMethods
from hippod_client.sync.jobs import JobMethods
from hippod_client.sync.maintenance import MaintenanceMethods
from hippod_client.sync.rows import RowMethods
from hippod_client.sync.searches import SearchMethods
from hippod_client.sync.tables import TableMethods
from hippod_client.sync.users import UserMethods

T = TypeVar("T")
A = TypeVar("A")


class Client(IndexMethods, JobMethods, MaintenanceMethods, RowMethods, SearchMethods, TableMethods, UserMethods):
    """A connection to a hippod server, for code without an event loop.

        with Client() as client:
            result = client.search("books", query, k=5)

    Threads may share it; their calls run one after the other. What `hippod_client.Client` says of renewed connections, time-outs and
    errors holds here. Each method does what the one of the same name there does.
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
        self._lock = threading.Lock()
        self._was_connected = False
        self._is_closed = False

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def connect(self) -> None:
        with self._lock:
            self._connected(self._deadline(DEFAULT))

    def close(self) -> None:
        self._is_closed = True
        connection = self._connection
        if connection is not None:
            connection.interrupt()
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    @property
    def server_id(self) -> str | None:
        return None if self._connection is None else self._connection.server.id

    def ping(self, *, timeout: Timeout = DEFAULT) -> None:
        self._repeated(Connection.ping, timeout)

    def status(self, *, timeout: Timeout = DEFAULT) -> StatusInfo:
        return self._call(requests.status(), timeout)

    def _deadline(self, timeout: Timeout) -> float | None:
        seconds = seconds_of(timeout, self.timeout)
        return None if seconds is None else time.monotonic() + seconds

    def _call(self, request: Request[T], timeout: Timeout) -> T:
        """Send a request and read its reply."""
        return request.read_reply(self._repeated(lambda connection, deadline: connection.ask(request, deadline), timeout))

    def _repeated(self, exchange: Callable[[Connection, float | None], A], timeout: Timeout) -> A:
        """Do an exchange; again if the connection was lost and sending twice does no harm."""
        deadline = self._deadline(timeout)
        attempt = 0
        if not self._lock.acquire(timeout=-1 if deadline is None else max(0.0, deadline - time.monotonic())):
            raise ClientTimeout("the time allowed passed while calls of other threads went on")
        try:
            while True:
                connection = self._connected(deadline)
                try:
                    return exchange(connection, deadline)
                except ConnectionLost as error:
                    attempt += 1
                    if self._is_closed or error.outcome_unknown or (deadline is None and attempt > ATTEMPTS_MAX):
                        raise
                    _back_off(attempt, deadline, error)
        finally:
            self._lock.release()

    def _connected(self, deadline: float | None) -> Connection:
        """The open connection, or a new one. The first is tried once; a lost one is tried for again until the deadline."""
        attempt = 0
        while not self._is_closed:
            if self._connection is not None and self._connection.is_usable():
                return self._connection
            try:
                self._connection = Connection(*self._address, *self._login, deadline)
                self._was_connected = True
            except (ConnectionLost, RetryLater) as error:
                attempt += 1
                if not self._was_connected or (deadline is None and attempt > ATTEMPTS_MAX):
                    raise
                _back_off(attempt, deadline, error)
        raise ConnectionLost("the client was closed")


def _back_off(attempt: int, deadline: float | None, error: HippodError) -> None:
    pause = backoff_s(attempt)
    if deadline is not None and time.monotonic() + pause >= deadline:
        raise error
    time.sleep(pause)


def _document() -> None:
    """The methods do what those of the asyncio client do, so they have the same documentation."""
    for part in Client.__mro__:
        for name, method in vars(part).items():
            twin = getattr(_AsyncClient, name, None)
            if not name.startswith("_") and twin is not None:
                method.__doc__ = twin.__doc__


_document()
