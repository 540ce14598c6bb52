"""Which tables are in memory: the open ones, and what has to happen before one comes or goes.

Rows of closed tables and of those in the trash are in the store alone. A table that comes back is read from there while nobody can write
to it, and becomes visible with the catalog change that opens it. One that goes leaves at once for every reader, and is given back in the
background; only when that has ended may it come back, because both would use the same files.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from hippod.engine.catalog import Catalog, TableDefinition
from hippod.engine.catalog.documents import TABLE, table_number
from hippod.engine.checkpoint import Checkpointer
from hippod.engine.jobs import Jobs
from hippod.engine.recovery import restore_table
from hippod.engine.store.row_store import RowStore
from hippod.engine.table import Table
from hippod.engine.tablet import Tablet
from hippod.errors import HippodError, RetryLater, TableClosed, TableNotFound


class ResidentTables:
    """Owned by the engine, event loop only. `tables` are the open tables by number: the same dict for as long as the engine lives."""

    def __init__(
        self,
        tables: dict[int, Table],
        catalog: Catalog,
        checkpointer: Checkpointer,
        store: RowStore,
        jobs: Jobs,
        make_table: Callable[[TableDefinition], Table],
        index_dir: Path,
    ) -> None:
        self.tables = tables
        self._catalog = catalog
        self._checkpointer = checkpointer
        self._store = store
        self._jobs = jobs
        self._make_table = make_table
        self._index_dir = index_dir
        self._leaving: dict[int, asyncio.Task[None]] = {}
        self._coming: dict[int, Table | None] = {}
        self._arrivals: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def adopt(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Follow changes that the catalog has just applied."""
        for number in {table_number(key) for key, _ in changes if key.startswith(TABLE)}:
            definition = self._catalog.by_number.get(number)
            table = self.tables.get(number)
            if definition is not None and definition.closed is None:
                if table is None:
                    self.tables[number] = self._coming.pop(number, None) or self._make_table(definition)
                self._give_back(self.tables[number], self.tables[number].adopt(definition))
                self.tables[number].begin_missing_indexes()
            elif table is not None or definition is None:
                self._begin_to_leave(number, definition)

    def _begin_to_leave(self, number: int, definition: TableDefinition | None) -> None:
        table = self.tables.pop(number, None)
        if table is not None:
            table.retired = partial(_why_retired, table.definition, definition)
        before = self._leaving.get(number)
        task = asyncio.get_running_loop().create_task(self._leave(number, table, before, keep_files=definition is not None))
        self._leaving[number] = task
        task.add_done_callback(lambda done: self._left(number, done))

    def _left(self, number: int, task: asyncio.Task[None]) -> None:
        if self._leaving.get(number) is task:
            del self._leaving[number]

    async def _leave(self, number: int, table: Table | None, before: asyncio.Task[None] | None, *, keep_files: bool) -> None:
        if before is not None:
            await asyncio.wait([before])
        if table is not None:
            await self._jobs.cancel_of_table(table.definition.database, table.definition.name)
            for index in table.live_indexes():
                await index.close(save=keep_files)
            table.close()
        if not keep_files:
            await asyncio.to_thread(shutil.rmtree, self._index_dir / str(number), ignore_errors=True)

    def _give_back(self, table: Table, tablets: list[Tablet]) -> None:
        """Close tablets of partitions that were dropped, and remove the files of their indexes."""
        if not tablets:
            return
        for tablet in tablets:
            for live in tablet.indexes.values():
                live.drop()
        self._keep(self._close_tablets(table, tablets))

    async def _close_tablets(self, table: Table, tablets: list[Tablet]) -> None:
        for tablet in tablets:
            for live in tablet.indexes.values():
                await live.close(save=False)
            tablet.close()
        gone = {str(tablet.number) for tablet in tablets}
        await asyncio.to_thread(remove_saved_indexes, table.index_dir, gone)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def bring_back(self, definition: TableDefinition, publish: Callable[[], Awaitable[None]]) -> None:
        """Read a table from the store into memory, then `publish` the change that opens it.

        Once begun it goes on to its end, also if the caller gives up. Raises RetryLater while it is under way already.
        """
        number = definition.number
        if number in self._coming:
            raise RetryLater(f"table {definition.name!r} is being opened: try again when it is open", table=definition.name)
        self._coming[number] = None
        task = asyncio.get_running_loop().create_task(self._come(definition, publish))
        self._arrivals.add(task)
        task.add_done_callback(self._arrived)
        await asyncio.shield(task)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._arrivals.discard(task)
        if not task.cancelled():
            task.exception()  # Whoever waited has it; if nobody did, nobody misses it.

    async def _come(self, definition: TableDefinition, publish: Callable[[], Awaitable[None]]) -> None:
        number = definition.number
        try:
            leaving = self._leaving.get(number)
            if leaving is not None:
                await asyncio.wait([leaving])
            await self._checkpointer.flush()
            self._coming[number] = await self._checkpointer.in_store_thread(
                lambda: restore_table(self._store, self._make_table(definition))
            )
            await publish()
        finally:
            unused = self._coming.pop(number, None)
            if unused is not None:
                unused.close()

    async def settle(self) -> None:
        """Wait for those that come: they still need the writer."""
        while self._arrivals:
            await asyncio.wait(list(self._arrivals))

    async def close(self) -> None:
        """Wait for those that leave, then close the others; indexes keep on disk what they have learned."""
        while self._leaving or self._closing:
            await asyncio.wait([*self._leaving.values(), *self._closing])
        for table in self.tables.values():
            for index in table.live_indexes():
                await index.close(save=True)
            table.close()


def remove_saved_indexes(directory: Path, tablets: Container[str]) -> None:
    """Remove the saved indexes of some tablets (numbers as text) of one table."""
    for found in directory.glob("*-*"):
        if found.name.partition("-")[2] in tablets:
            shutil.rmtree(found, ignore_errors=True)


def _why_retired(before: TableDefinition, after: TableDefinition | None) -> HippodError:
    if after is None or after.dropped is not None:
        return TableNotFound(f"table {before.name!r} was dropped meanwhile", table=before.name)
    return closed_error(before.name)


def closed_error(name: str) -> TableClosed:
    return TableClosed(f"table {name!r} is closed: open it first", table=name)
