"""The asyncio client: one method an operation, over one connection that is renewed when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from hippod_client import requests
from hippod_client.administration import Administration
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
from hippod_client.connection import Connection, open_connection
from hippod_client.errors import ClientTimeout, ConnectionLost, HippodError, RetryLater
from hippod_client.recall import RecallInfo
from hippod_client.requests.base import Request
from hippod_client.requests.jobs import succeeded
from hippod_client.results import IndexInfo, JobInfo, Rows, SearchResult, StatusInfo, TableInfo, WriteResult
from hippod_client.schema import Field

T = TypeVar("T")
A = TypeVar("A")


class Client(Administration):
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

    async def create_database(self, database: str, *, timeout: Timeout = DEFAULT) -> None:
        """Raises InvalidName, AlreadyExists or LimitExceeded."""
        await self._call(requests.create_database(database), timeout)

    async def drop_database(self, database: str, *, timeout: Timeout = DEFAULT) -> None:
        """Raises DatabaseNotFound, or Rejected while it has tables."""
        await self._call(requests.drop_database(database), timeout)

    async def list_databases(self, *, timeout: Timeout = DEFAULT) -> list[str]:
        """The names of all databases, sorted."""
        return await self._call(requests.list_databases(), timeout)

    async def create_table(
        self, table: str, fields: Iterable[Field], *, auto_id: bool = False, tablets: int = 1, timeout: Timeout = DEFAULT
    ) -> None:
        """Make a table. One field is the primary key (int or string); with `auto_id` the server makes it for rows inserted without.

        `tablets` (1 to 64) divides the rows by a hash of their key. Raises InvalidName, AlreadyExists, LimitExceeded or Rejected.
        """
        await self._call(requests.create_table(self.database, table, fields, auto_id, tablets), timeout)

    async def drop_table(self, table: str, *, timeout: Timeout = DEFAULT) -> None:
        """Put a table into the trash, which keeps its rows for some days and then forgets them. Raises TableNotFound."""
        await self._call(requests.drop_table(self.database, table), timeout)

    async def describe_table(self, table: str, *, timeout: Timeout = DEFAULT) -> TableInfo:
        """Fields, indexes and number of rows. Raises TableNotFound."""
        return await self._call(requests.describe_table(self.database, table), timeout)

    async def list_tables(self, *, timeout: Timeout = DEFAULT) -> list[str]:
        """The names of all tables of the database, sorted."""
        return await self._call(requests.list_tables(self.database), timeout)

    async def insert(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        """Add rows, given in columns: field -> one entry a row. At most 100,000 rows and 15 MiB.

        Vectors are arrays (rows, dimension), converted to float32; the rest are arrays or lists, None for null. Durable when it
        returns. A row whose key exists fails by itself, see `failures` of the result. Raises TypeMismatch, InvalidVector,
        LimitExceeded, FieldNotFound (then nothing was applied), StorageFull or RetryLater.
        """
        return await self._call(requests.insert(self.database, table, rows), timeout)

    async def upsert(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        """As `insert`, but a row whose key exists is replaced whole; of equal keys in one call the last wins."""
        return await self._call(requests.upsert(self.database, table, rows), timeout)

    async def update(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        """Change fields of rows that exist; fields that are not given keep their value. A key that is absent fails by itself."""
        return await self._call(requests.update(self.database, table, rows), timeout)

    async def delete(self, table: str, keys: object, *, timeout: Timeout = DEFAULT) -> WriteResult:
        """Remove rows by primary key (an array or list). A key that is absent fails by itself."""
        return await self._call(requests.delete(self.database, table, keys), timeout)

    async def delete_by_query(self, table: str, filter: str, *, timeout: Timeout = DEFAULT) -> WriteResult:
        """Remove all rows that match `filter`, which is not empty. Raises FilterError."""
        return await self._call(requests.delete_by_query(self.database, table, filter), timeout)

    async def get(self, table: str, keys: object, output_fields: Sequence[str] | None = None, *, timeout: Timeout = DEFAULT) -> Rows:
        """Rows by primary key, in the order of the keys; those that are absent are left out, see `positions`.

        `output_fields` None means all fields, vectors too.
        """
        return await self._call(requests.get(self.database, table, keys, output_fields), timeout)

    async def query(
        self,
        table: str,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        *,
        limit: int = 1_000,
        offset: int = 0,
        timeout: Timeout = DEFAULT,
    ) -> Rows:
        """Rows that match `filter` (empty: all), in the order of their keys. `output_fields` None means all scalar fields.

        `limit` is at most 100,000. Raises FilterError, FieldNotFound or LimitExceeded.
        """
        return await self._call(requests.query(self.database, table, filter, output_fields, limit, offset), timeout)

    async def count(self, table: str, filter: str = "", *, timeout: Timeout = DEFAULT) -> int:
        """How many rows match `filter` (empty: all)."""
        return await self._call(requests.count(self.database, table, filter), timeout)

    async def search(
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
        """The `k` nearest rows (1 to 10,000) of each query vector: `vectors` is (queries, dimension), or (dimension,) for one.

        `filter` restricts the rows; fewer than k come back only if fewer match. `field` may be left out if the table has one vector
        field; `index` names one of several. `params`: recall, the mean recall promised (0.5 to 0.999); or instead of it nprobe (leaves to
        visit) and reorder (candidates scored exactly) of partitioned indexes, ef_search of graphs.
        `output_fields` come beside the primary key. `offset` leaves out the best hits, `radius` those that score worse: a greatest
        squared distance for l2, a least similarity for ip and cosine. With `group_by`, a scalar field, k and offset count groups of rows
        that are equal in it; each brings its best `group_size` rows, one after the other. Raises InvalidVector, FilterError,
        IndexNotFound, WrongState (no active index), Rejected, LimitExceeded or RetryLater.
        """
        request = requests.search(
            self.database, table, vectors, k, field, filter, output_fields, index, params, offset, radius, group_by, group_size
        )
        return await self._call(request, timeout)

    async def create_index(
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
        """Define an index on a vector field; `activate_index` builds it. `metric`: l2, ip or cosine.

        `type`: AUTO (the quickest of some, measured when it is activated), FLAT (exact), IVF_FLAT, IVF_SQ, IVF_PQ, IVF_PQ_FS, HNSW or
        ANNOY. `params` of the IVF types: nlist (leaves), nprobe and reorder (defaults of searches), m (IVF_PQ, IVF_PQ_FS), nbits (IVF_PQ),
        sq_type (IVF_SQ), index_slow_refine (IVF_SQ, IVF_PQ); of the graphs: M, ef_construction, ef_search; of AUTO: nprobe, reorder and
        ef_search. Raises Rejected, AlreadyExists, FieldNotFound.
        """
        await self._call(requests.create_index(self.database, table, index, field, type, metric, params), timeout)

    async def activate_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """Build the index and keep it up to date from then on; the table can be read and written meanwhile.

        `wait`: return when it is built, calling `progress` with the job's state now and then; raises JobFailed if it fails, and
        ClientTimeout after `timeout` seconds (the job goes on then). Otherwise return the job at once, see `get_job`.
        """
        return await self._job(requests.activate_index(self.database, table, index, wait=False), wait, progress, timeout)

    async def rebuild_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """Train an active index anew over the rows of now; it answers as before meanwhile. Waits as `activate_index`."""
        return await self._job(requests.rebuild_index(self.database, table, index, wait=False), wait, progress, timeout)

    async def compact_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """Train an active index anew if rows died since it was trained; it answers as before meanwhile. Waits as `activate_index`."""
        return await self._job(requests.compact_index(self.database, table, index, wait=False), wait, progress, timeout)

    async def set_auto_compaction(self, table: str, index: str, enabled: bool, *, timeout: Timeout = DEFAULT) -> None:
        """Whether an index trains anew by itself when too much changed since it was trained, as a new one does."""
        await self._call(requests.set_auto_compaction(self.database, table, index, enabled), timeout)

    async def load_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """Bring a released index back into memory. Waits as `activate_index`."""
        return await self._job(requests.load_index(self.database, table, index, wait=False), wait, progress, timeout)

    async def release_index(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> None:
        """Take an active index out of memory; searches raise WrongState until `load_index`."""
        await self._call(requests.release_index(self.database, table, index), timeout)

    async def drop_index(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> None:
        """Remove an index; the rows stay. Raises IndexNotFound."""
        await self._call(requests.drop_index(self.database, table, index), timeout)

    async def list_indexes(self, table: str, *, timeout: Timeout = DEFAULT) -> list[IndexInfo]:
        """The indexes of a table with their state."""
        return await self._call(requests.list_indexes(self.database, table), timeout)

    async def describe_recall(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> RecallInfo:
        """What an index was measured to find, and whether searches that asked for a `recall` found it. Raises IndexNotFound."""
        return await self._call(requests.describe_recall(self.database, table, index), timeout)

    async def get_job(self, job: str, *, timeout: Timeout = DEFAULT) -> JobInfo:
        """The state of a job by its id. Raises JobNotFound."""
        return await self._call(requests.get_job(job), timeout)

    async def list_jobs(self, *, timeout: Timeout = DEFAULT) -> list[JobInfo]:
        """The jobs that run and those that ended lately."""
        return await self._call(requests.list_jobs(), timeout)

    async def cancel_job(self, job: str, *, timeout: Timeout = DEFAULT) -> None:
        """Stop a running job and wait for its end; forget one that has ended. Raises JobNotFound."""
        await self._call(requests.cancel_job(job), timeout)

    async def _job(self, request: Request[JobInfo], wait: bool, progress: Progress | None, timeout: float | None) -> JobInfo:
        job = await self._call(request, DEFAULT)
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        pause = JOB_POLL_FIRST_S
        while wait:
            if progress is not None:
                progress(job)
            if job.has_ended:
                return succeeded(job)
            if until is not None and loop.time() + pause > until:
                raise still_running(job)
            await asyncio.sleep(pause)
            pause = min(JOB_POLL_MAX_S, pause * 1.5)
            job = await self._call(requests.get_job(job.id), DEFAULT)
        return job

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
        connection = self._connection
        if connection is not None and connection.is_open:
            return connection
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
