"""The engine: opens and closes everything below the net, and is the one way in (`submit`) for every operation of every port.

It lives on the event loop. Answers come as futures; refusals that need no waiting are raised by the handler and arrive in the
future too. When durable state can no longer be written, `stopped` completes with the ProcessExit that the process must end with.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from hippod.engine import access
from hippod.engine.access import Principal
from hippod.engine.catalog import Catalog, Changes, IndexDefinition, TableDefinition, put_user
from hippod.engine.catalog_write import CatalogWrite
from hippod.engine.checkpoint import Checkpointer
from hippod.engine.copying import RemoteReader
from hippod.engine.directory import DataDirectory
from hippod.engine.handlers import HANDLERS, PERSONAL_HANDLERS
from hippod.engine.index.hosts import HostPool
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.vector_index import VectorIndex
from hippod.engine.jobs import Job, Jobs
from hippod.engine.operations import DEFAULT_DATABASE, Operation
from hippod.engine.options import EngineOptions
from hippod.engine.recovery import recover
from hippod.engine.resident import ResidentTables, closed_error
from hippod.engine.store.row_store import RowStore
from hippod.engine.table import Table
from hippod.engine.trash import Trash
from hippod.engine.writer import Writer
from hippod.errors import DiskFailure, ProcessExit, StorageFull
from hippod.fs import free_bytes
from hippod.wal.log import Log

LOG_STALLED_S: Final = 5.0

_log = logging.getLogger(__name__)


class Engine:
    """Made by `open`; `close` ends it in order and leaves nothing to replay.

    `remote` reads rows from other servers for copies; whoever composes the process may set it.
    """

    def __init__(self, options: EngineOptions, directory: DataDirectory) -> None:
        self.options = options
        self.directory = directory
        self.started = time.monotonic()
        self.jobs = Jobs()
        self.pool = SearchPool(options.index.search_threads)
        self.hosts = HostPool(options.index)
        self.tables: dict[int, Table] = {}
        self.catalog = Catalog()
        self.has_space = True
        self.remote: RemoteReader | None = None
        self._loop = asyncio.get_running_loop()
        self.stopped: asyncio.Future[ProcessExit] = self._loop.create_future()
        self._background: set[asyncio.Task[Any]] = set()
        self.log: Log
        self.store: RowStore
        self.checkpointer: Checkpointer
        self.writer: Writer
        self.resident: ResidentTables
        self.trash: Trash

    @property
    def server_id(self) -> str:
        return self.directory.database_id.hex()

    @property
    def has_default_password(self) -> bool:
        """Whether the well-known password opens the door: then only loopback may listen."""
        return any(user.is_default for user in self.catalog.users.values())

    def mode(self) -> str:
        """`ready`, `read-only` while the disk is almost full, `log-stalled` while a sync takes very long."""
        if self.writer.busy_s > LOG_STALLED_S:
            return "log-stalled"
        return "ready" if self.has_space else "read-only"

    @classmethod
    async def open(cls, options: EngineOptions) -> Engine:
        """Lock and recover the data directory. Raises ProcessExit: 65 damage, 73 in use, 74 disk full or failing, 77 no permission."""
        try:
            return await cls._open(options)
        except StorageFull as error:
            raise DiskFailure(f"there is no space to start with: {error.message}") from error

    @classmethod
    async def _open(cls, options: EngineOptions) -> Engine:
        directory = await asyncio.to_thread(DataDirectory.open, options.data_dir, create=True)
        try:
            await asyncio.to_thread(directory.prepare)
            engine = cls(options, directory)
            recovered = await asyncio.to_thread(recover, directory, options, engine.make_table)
        except BaseException:
            directory.close()
            raise
        engine.catalog, engine.tables = recovered.catalog, recovered.tables
        engine.log, engine.store = recovered.log, recovered.store
        engine.checkpointer = Checkpointer(options, recovered.store, recovered.log)
        engine.writer = Writer(options, recovered.log, engine.checkpointer, lambda: engine.has_space)
        engine.resident = ResidentTables(
            engine.tables, engine.catalog, engine.checkpointer, engine.store, engine.jobs, engine.make_table, directory.index
        )
        engine.trash = Trash(engine.catalog, options.trash_retention_s, engine.change_catalog)
        for failed in (engine.writer.failed, engine.checkpointer.failed):
            failed.add_done_callback(engine._fail_stop)
        engine._keep(engine._watch_space())
        engine._keep(engine.trash.keep_emptying())
        await engine._first_documents(options.initial_password)
        for table in engine.tables.values():
            table.begin_missing_indexes()
        return engine

    def make_table(self, definition: TableDefinition) -> Table:
        return Table(definition, self.directory.path, self.hosts, self.pool, self.jobs)

    def submit(self, operation: Operation, principal: Principal, deadline: float | None = None) -> asyncio.Future[Any]:
        """Run one operation. The future gets its Result, or a HippodError; `deadline` is in loop time.

        Canceling the future ends a read, and a row write that still waits; a change of several steps goes on to its end.
        """
        loop = self._loop
        try:
            access.check_access(self.catalog, self.jobs, principal, operation)
            handler = HANDLERS.get(type(operation))
            if handler is not None:
                outcome = handler(self, operation, deadline)
            else:
                outcome = PERSONAL_HANDLERS[type(operation)](self, operation, principal, deadline)
        except Exception as error:
            return _failed(loop, error)
        if isinstance(outcome, asyncio.Future):
            return outcome
        if asyncio.iscoroutine(outcome):
            return loop.create_task(outcome) if operation.is_read else asyncio.shield(self._keep(outcome))
        future: asyncio.Future[Any] = loop.create_future()
        future.set_result(outcome)
        return future

    async def execute(self, operation: Operation, principal: Principal, deadline: float | None = None) -> Any:
        """`submit` and wait."""
        return await self.submit(operation, principal, deadline)

    async def authenticate(self, user: str, password: str) -> Principal:
        """The principal of a user, or AuthenticationFailed."""
        return await asyncio.to_thread(access.authenticate, self.catalog.users.get(user), password)

    def user_version(self, user: str) -> object:
        """Another object whenever anything about the user has changed, None where there is none."""
        return self.catalog.users.get(user)

    def table(self, database: str, name: str, *, for_write: bool = False) -> Table:
        """The open table that a name or an alias means, or DatabaseNotFound, TableNotFound, TableClosed, or WrongState for writes
        through an alias without a write table."""
        definition = self.catalog.resolve(database, name, for_write=for_write)
        table = self.tables.get(definition.number)
        if table is None:
            raise closed_error(definition.name)
        return table

    def current(self, table: Table) -> Table:
        """`table` if it is still open, else TableNotFound or TableClosed; handlers call it after waiting."""
        table.require_open()
        return table

    def row_count(self, definition: TableDefinition) -> int:
        """Living rows of a table, open or not."""
        return self.tables[definition.number].row_count if definition.closed is None else definition.closed.rows

    async def change_catalog(self, compute: Callable[[], Changes], deadline: float | None = None) -> None:
        """Make a catalog change durable and visible. `compute` runs in the writer thread against the published catalog."""
        await self.writer.submit_exclusive(CatalogWrite(compute, self._catalog_changed), deadline)

    def _catalog_changed(self, changes: Changes) -> None:
        self.catalog.apply(changes)
        self.resident.adopt(changes)

    async def load_index(self, table: Table, index: IndexDefinition, job: Job) -> None:
        await self.for_each_tablet(table.open_index(index), job, lambda live, progress: live.load(progress))

    async def for_each_tablet(
        self, indexes: list[VectorIndex], job: Job, action: Callable[[VectorIndex, Callable[[float, str], None]], Any]
    ) -> None:
        """Run an action on the index of each tablet, one after the other, with one progress."""
        total = len(indexes)
        for number, live in enumerate(indexes):

            def report(progress: float, stage: str, done: int = number) -> None:
                job.report((done + progress) / total, stage if total == 1 else f"tablet {done + 1} of {total}: {stage}")

            await action(live, report)
            description = live.describe()
            job.vectors += description.vectors + description.fresh

    async def _first_documents(self, password: str | None) -> None:
        """The default database and the superuser, on the first start; a given password is set on every start, of a superuser."""

        def compute() -> Changes:
            changes: list[tuple[bytes, bytes | None]] = []
            if DEFAULT_DATABASE not in self.catalog.databases:
                changes.append((b"d/" + DEFAULT_DATABASE.encode(), b""))
            user = self.catalog.users.get(access.SUPERUSER)
            is_as_given = user is not None and user.is_superuser and password is not None and access.password_matches(user, password)
            if not self.catalog.users or (password is not None and not is_as_given):
                changes.append(put_user(access.make_superuser(password)))
            return tuple(changes)

        # Nothing is written where nothing is new: a disk without space can still be read from. Passwords take long to hash, and nobody
        # else changes the catalog yet.
        if changes := await asyncio.to_thread(compute):
            await self.change_catalog(lambda: changes)

    async def _watch_space(self) -> None:
        """Turn to read-only before the disk is full, and back when there is space again."""
        while True:
            free = await asyncio.to_thread(free_bytes, self.directory.path)
            enough = free >= self.options.free_bytes_min
            if enough != self.has_space:
                _log.warning("%d bytes are free on the disk of the data: %s", free, "writable again" if enough else "read-only now")
            self.has_space = enough
            await asyncio.sleep(1.0)

    def _keep(self, work: Any) -> asyncio.Task[Any]:
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _fail_stop(self, failed: asyncio.Future[ProcessExit]) -> None:
        if not self.stopped.done() and not failed.cancelled():
            self.stopped.set_result(failed.result())

    async def close(self) -> None:
        """Finish waiting writes, apply everything to the store, save indexes, give everything back."""
        await self.jobs.close()
        await self.resident.settle()
        await self.writer.close()
        await self.checkpointer.close()
        await self.resident.close()
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.to_thread(self._close_files)

    def _close_files(self) -> None:
        self.pool.close()
        if not self.stopped.done() and self.checkpointer.applied_lsn == self.log.last.last_lsn:
            self.log.mark_clean_stop()
        self.log.close()
        self.store.close()
        self.directory.close()


def _failed(loop: asyncio.AbstractEventLoop, error: Exception) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = loop.create_future()
    future.set_exception(error)
    return future
