"""The client for scripts and notebooks: the same calls as `hippod_client.Client`, over a blocking socket, one at a time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from hippod_client import requests, session
from hippod_client.calls import (
    ATTEMPTS_MAX,
    DEFAULT,
    DEFAULT_TIMEOUT_S,
    JOB_POLL_FIRST_S,
    JOB_POLL_MAX_S,
    Progress,
    Timeout,
    backoff_s,
    seconds_of,
    still_running,
)
from hippod_client.client import Client as _AsyncClient
from hippod_client.errors import ClientTimeout, ConnectionLost, HippodError, ProtocolError, RetryLater
from hippod_client.recall import RecallInfo
from hippod_client.requests.base import Request
from hippod_client.requests.jobs import succeeded
from hippod_client.results import IndexInfo, JobInfo, Rows, SearchResult, StatusInfo, TableInfo, WriteResult
from hippod_client.schema import Field
from hippod_client.sync_administration import Administration
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import Kind

T = TypeVar("T")
A = TypeVar("A")

_RECEIVE_BYTES: Final = 65_536
_JOINED_BYTES_MAX: Final = 65_536
_BUFFERS_MAX: Final = 512
_REQUEST_ID_MAX: Final = 0xFFFFFFFF
# A connection that was used within this time is taken to be alive without a look.
_PAUSE_S: Final = 0.5


class Client(Administration):
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
        self._connection: _Connection | None = None
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
        self._repeated(_Connection.ping, timeout)

    def status(self, *, timeout: Timeout = DEFAULT) -> StatusInfo:
        return self._call(requests.status(), timeout)

    def create_database(self, database: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.create_database(database), timeout)

    def drop_database(self, database: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_database(database), timeout)

    def list_databases(self, *, timeout: Timeout = DEFAULT) -> list[str]:
        return self._call(requests.list_databases(), timeout)

    def create_table(
        self, table: str, fields: Iterable[Field], *, auto_id: bool = False, tablets: int = 1, timeout: Timeout = DEFAULT
    ) -> None:
        self._call(requests.create_table(self.database, table, fields, auto_id, tablets), timeout)

    def drop_table(self, table: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_table(self.database, table), timeout)

    def describe_table(self, table: str, *, timeout: Timeout = DEFAULT) -> TableInfo:
        return self._call(requests.describe_table(self.database, table), timeout)

    def list_tables(self, *, timeout: Timeout = DEFAULT) -> list[str]:
        return self._call(requests.list_tables(self.database), timeout)

    def insert(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        return self._call(requests.insert(self.database, table, rows), timeout)

    def upsert(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        return self._call(requests.upsert(self.database, table, rows), timeout)

    def update(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        return self._call(requests.update(self.database, table, rows), timeout)

    def delete(self, table: str, keys: object, *, timeout: Timeout = DEFAULT) -> WriteResult:
        return self._call(requests.delete(self.database, table, keys), timeout)

    def delete_by_query(self, table: str, filter: str, *, timeout: Timeout = DEFAULT) -> WriteResult:
        return self._call(requests.delete_by_query(self.database, table, filter), timeout)

    def get(self, table: str, keys: object, output_fields: Sequence[str] | None = None, *, timeout: Timeout = DEFAULT) -> Rows:
        return self._call(requests.get(self.database, table, keys, output_fields), timeout)

    def query(
        self,
        table: str,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        *,
        limit: int = 1_000,
        offset: int = 0,
        timeout: Timeout = DEFAULT,
    ) -> Rows:
        return self._call(requests.query(self.database, table, filter, output_fields, limit, offset), timeout)

    def count(self, table: str, filter: str = "", *, timeout: Timeout = DEFAULT) -> int:
        return self._call(requests.count(self.database, table, filter), timeout)

    def search(
        self,
        table: str,
        vectors: object,
        k: int = 10,
        *,
        field: str | None = None,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        index: str | None = None,
        params: Mapping[str, Any] | None = None,
        offset: int = 0,
        radius: float | None = None,
        group_by: str | None = None,
        group_size: int = 1,
        timeout: Timeout = DEFAULT,
    ) -> SearchResult:
        request = requests.search(
            self.database, table, vectors, k, field, filter, output_fields, index, params, offset, radius, group_by, group_size
        )
        return self._call(request, timeout)

    def create_index(
        self,
        table: str,
        index: str,
        field: str,
        *,
        type: str = "AUTO",
        metric: str = "l2",
        params: Mapping[str, Any] | None = None,
        timeout: Timeout = DEFAULT,
    ) -> None:
        self._call(requests.create_index(self.database, table, index, field, type, metric, params), timeout)

    def activate_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        return self._job(requests.activate_index(self.database, table, index, wait=False), wait, progress, timeout)

    def rebuild_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        return self._job(requests.rebuild_index(self.database, table, index, wait=False), wait, progress, timeout)

    def compact_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        return self._job(requests.compact_index(self.database, table, index, wait=False), wait, progress, timeout)

    def set_auto_compaction(self, table: str, index: str, enabled: bool, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.set_auto_compaction(self.database, table, index, enabled), timeout)

    def load_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        return self._job(requests.load_index(self.database, table, index, wait=False), wait, progress, timeout)

    def release_index(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.release_index(self.database, table, index), timeout)

    def drop_index(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_index(self.database, table, index), timeout)

    def list_indexes(self, table: str, *, timeout: Timeout = DEFAULT) -> list[IndexInfo]:
        return self._call(requests.list_indexes(self.database, table), timeout)

    def describe_recall(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> RecallInfo:
        return self._call(requests.describe_recall(self.database, table, index), timeout)

    def get_job(self, job: str, *, timeout: Timeout = DEFAULT) -> JobInfo:
        return self._call(requests.get_job(job), timeout)

    def list_jobs(self, *, timeout: Timeout = DEFAULT) -> list[JobInfo]:
        return self._call(requests.list_jobs(), timeout)

    def cancel_job(self, job: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.cancel_job(job), timeout)

    def _job(self, request: Request[JobInfo], wait: bool, progress: Progress | None, timeout: float | None) -> JobInfo:
        job = self._call(request, DEFAULT)
        until = None if timeout is None else time.monotonic() + timeout
        pause = JOB_POLL_FIRST_S
        while wait:
            if progress is not None:
                progress(job)
            if job.has_ended:
                return succeeded(job)
            if until is not None and time.monotonic() + pause > until:
                raise still_running(job)
            time.sleep(pause)
            pause = min(JOB_POLL_MAX_S, pause * 1.5)
            job = self._call(requests.get_job(job.id), DEFAULT)
        return job

    def _deadline(self, timeout: Timeout) -> float | None:
        seconds = seconds_of(timeout, self.timeout)
        return None if seconds is None else time.monotonic() + seconds

    def _call(self, request: Request[T], timeout: Timeout) -> T:
        """Send a request and read its reply."""
        return request.read_reply(self._repeated(lambda connection, deadline: connection.ask(request, deadline), timeout))

    def _repeated(self, exchange: Callable[[_Connection, float | None], A], timeout: Timeout) -> A:
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

    def _connected(self, deadline: float | None) -> _Connection:
        """The open connection, or a new one. The first is tried once; a lost one is tried for again until the deadline."""
        attempt = 0
        while not self._is_closed:
            if self._connection is not None and self._connection.is_usable():
                return self._connection
            try:
                self._connection = _Connection(*self._address, *self._login, deadline)
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


class _Connection:
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

    def ask(self, request: Request[Any], deadline: float | None) -> memoryview:
        """The frame that answers a request. Raises ConnectionLost, ClientTimeout or LimitExceeded."""
        remaining = _time_left(deadline)
        request_id = self._next_id()
        return self._exchange(request.frame(request_id, session.deadline_ms(remaining)), request_id, deadline, is_write=not request.is_read)

    def ping(self, deadline: float | None) -> None:
        """Raises ConnectionLost or ClientTimeout."""
        _time_left(deadline)
        request_id = self._next_id()
        self._exchange([session.ping(request_id)], request_id, deadline, is_write=False)

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

    def _exchange(self, buffers: Sequence[bytes | memoryview], request_id: int, deadline: float | None, *, is_write: bool) -> memoryview:
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
        if len(buffers) == 1 or sum(map(len, buffers)) <= _JOINED_BYTES_MAX:
            self._socket.sendall(buffers[0] if len(buffers) == 1 else b"".join(buffers))
            return
        pending = [memoryview(buffer) for buffer in buffers]
        while pending:
            self._socket.settimeout(_remaining(deadline))
            sent = self._socket.sendmsg(pending[:_BUFFERS_MAX])
            while pending and sent >= len(pending[0]):
                sent -= len(pending.pop(0))
            if sent:
                pending[0] = pending[0][sent:]

    def _receive(self, request_id: int, deadline: float | None) -> memoryview:
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


def _document() -> None:
    """The methods do what those of the asyncio client do, so they have the same documentation."""
    for name, method in (*vars(Client).items(), *vars(Administration).items()):
        twin = getattr(_AsyncClient, name, None)
        if twin is not None and not name.startswith("_"):
            method.__doc__ = twin.__doc__


_document()
