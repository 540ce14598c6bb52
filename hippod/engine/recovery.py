"""From the data directory to memory: the rows of the store, then the log behind it. Runs before anything is served, in one thread.

The store has everything up to its applied position; the log is checked to reach down to it, and what lies behind is replayed into
memory and, in steps of bounded size, into the store. Replay validates nothing: effects always apply. A crash during recovery
just starts it again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from hippod.engine.catalog import Catalog, TableDefinition
from hippod.engine.catalog.documents import TABLE, table_number
from hippod.engine.checkpoint import OverlayEntry, apply_entries
from hippod.engine.directory import DataDirectory
from hippod.engine.effects import CatalogEffect, Effect, RowsEffect, decode_effect
from hippod.engine.options import EngineOptions
from hippod.engine.rowblock import RowBlock, concat_alike, select_rows
from hippod.engine.store.row_store import RowStore
from hippod.engine.table import Table
from hippod.errors import DamagedData
from hippod.fs import FileSystem
from hippod.wal.log import Log

# Blocks are joined up to this many rows before they enter memory: fewer, larger copies.
_RESTORE_ROWS: Final = 16_384

_log = logging.getLogger(__name__)


class Recovered(NamedTuple):
    """What a start found: everything open and ready for the first write."""

    store: RowStore
    log: Log
    catalog: Catalog
    tables: dict[int, Table]


def recover(directory: DataDirectory, options: EngineOptions, make_table: Callable[[TableDefinition], Table]) -> Recovered:
    """Open store and log and bring memory to the end of the log. Raises DamagedData (65) or DiskFailure (74)."""
    store = RowStore.open(directory.lmdb, options.map_bytes, directory.database_id)
    catalog = Catalog()
    catalog.load(store.load_catalog())
    store.know_fields({number: definition.field_numbers for number, definition in catalog.by_number.items()})
    tables = {
        number: restore_table(store, make_table(definition))
        for number, definition in catalog.by_number.items()
        if definition.closed is None
    }
    log = Log.open(directory.wal, directory.database_id, store.applied(), FileSystem())
    _Replay(store, catalog, tables, make_table, options.checkpoint_bytes).run(log)
    log.start()
    _remove_orphans(directory, catalog)
    return Recovered(store, log, catalog, tables)


def restore_table(store: RowStore, table: Table) -> Table:
    """The table, with the rows that the store has for it. Raises DamagedData."""
    for tablet in table.tablets.values():
        tablet.restore(_stored_rows(store, table.number, tablet.number))
    table.restore_keys()
    return table


def _remove_orphans(directory: DataDirectory, catalog: Catalog) -> None:
    """Saved indexes that a crash kept from being removed with their table, tablet or definition."""
    wanted = {
        (str(number), f"{index.number}-{tablet}")
        for number, table in catalog.by_number.items()
        for index in table.indexes
        for tablet in table.tablet_numbers
    }
    for found in directory.index.glob("*/*"):
        if (found.parent.name, found.name) not in wanted:
            shutil.rmtree(found, ignore_errors=True)
    for found in directory.index.glob("*"):
        if not found.name.isdecimal() or int(found.name) not in catalog.by_number:
            shutil.rmtree(found, ignore_errors=True)


def _stored_rows(store: RowStore, table: int, tablet: int) -> Iterator[RowBlock]:
    """The living rows of a tablet, joined into larger blocks."""
    joined: list[RowBlock] = []
    rows = 0
    for block, alive in store.load_blocks(table, tablet):
        living = block if alive.all() else select_rows(block, alive)
        joined.append(living)
        rows += len(living.row_ids)
        if rows >= _RESTORE_ROWS:
            yield from concat_alike(joined)
            joined, rows = [], 0
    yield from concat_alike(joined)


class _Replay:
    """Applies log records to memory at once and to the store in steps."""

    def __init__(
        self,
        store: RowStore,
        catalog: Catalog,
        tables: dict[int, Table],
        make_table: Callable[[TableDefinition], Table],
        step_bytes: int,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._tables = tables
        self._make_table = make_table
        self._step_bytes = step_bytes

    def run(self, log: Log) -> None:
        entries: list[OverlayEntry] = []
        size = batches = 0
        for position, records in log.replay(self._store.applied().lsn + 1):
            effects = [decode_effect(r.operation, r.table, r.body) for r in records]
            for effect in effects:
                self._apply(effect)
            entry = OverlayEntry.of(effects, position)
            entries.append(entry)
            size += entry.size_bytes
            batches += 1
            if size >= self._step_bytes:
                apply_entries(self._store, entries)
                entries, size = [], 0
        if entries:
            log.cut(apply_entries(self._store, entries))
        for number, table in list(self._tables.items()):
            if table.definition.closed is not None:
                self._tables.pop(number).close()
        if batches:
            _log.info("replayed %d batches of the log, up to LSN %d", batches, log.last.last_lsn)

    def _apply(self, effect: Effect) -> None:
        if isinstance(effect, CatalogEffect):
            self._catalog.apply(effect.changes)
            for key, _ in effect.changes:
                if key.startswith(TABLE):
                    self._follow(table_number(key))
            return
        self._apply_rows(effect)

    def _follow(self, number: int) -> None:
        """Have the table in memory if it is open, and keep it if it was closed: the rows of its last writes may not be in the store yet."""
        definition = self._catalog.by_number.get(number)
        table = self._tables.get(number)
        if definition is None:
            if table is not None:
                self._tables.pop(number).close()
        elif table is not None:
            for tablet in table.adopt(definition):
                tablet.close()
        elif definition.closed is None:
            # New, or it was closed before the replay began: then the store has all of its rows.
            self._tables[number] = restore_table(self._store, self._make_table(definition))

    def _apply_rows(self, effect: RowsEffect) -> None:
        table = self._tables.get(effect.table)
        if table is None or effect.tablet not in table.tablets:
            raise DamagedData(f"the log changes tablet {effect.tablet} of table {effect.table}, which the catalog does not have")
        table.replay(effect)
