"""From the overlay to the store: effects that are durable in the log are applied to LMDB later, many at a time, by one thread.

The overlay is the list of effects that the store does not have yet; readers do not need it, because columns and vector files have
all rows. It is bounded: when it is full, the writer waits. Order, which crash safety rests on:

    1  take the overlay's effects up to some LSN
    2  one store transaction: all of them and the applied position; it returns only when it is synced
    3  forget them here
    4  let the log drop the segments they came from

A crash before 2 ends replays them from the log; after it the log's copies are superfluous.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hippod.engine.catalog import TableDefinition, table_number
from hippod.engine.catalog.documents import TABLE, decode_document
from hippod.engine.effects import CatalogEffect, Effect, RowsEffect
from hippod.engine.options import EngineOptions
from hippod.engine.rowblock import RowBlock, are_among, concat_alike, select_rows, slice_block
from hippod.engine.store.block_map import BLOCK_ROWS_MAX
from hippod.engine.store.row_store import RowStore, StoreChanges
from hippod.engine.worker_thread import WorkerThread
from hippod.errors import HippodError, ProcessExit, RetryLater
from hippod.wal.log import AppliedPosition, BatchPosition, Log

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class OverlayEntry:
    """The effects of one log batch, and about what holding them costs."""

    effects: Sequence[Effect]
    position: BatchPosition
    size_bytes: int

    @classmethod
    def of(cls, effects: Sequence[Effect], position: BatchPosition) -> OverlayEntry:
        size = sum(e.size_bytes() if isinstance(e, RowsEffect) else 1_024 for e in effects)
        return cls(effects, position, size)


def apply_entries(store: RowStore, entries: Sequence[OverlayEntry]) -> AppliedPosition:
    """Step 2, in the caller's thread. Raises DiskFailure, StorageFull or DamagedData; then the store is as it was."""
    last = entries[-1].position
    applied = AppliedPosition(last.last_lsn, last.number, last.crc)
    store.apply(merge_effects([effect for entry in entries for effect in entry.effects]), applied)
    return applied


def merge_effects(effects: Sequence[Effect]) -> StoreChanges:
    """All effects as one change: rows that were born and died within them never reach the store, small blocks become larger ones."""
    changes = StoreChanges()
    blocks: dict[tuple[int, int], list[RowBlock]] = {}
    dead: dict[tuple[int, int], list[npt.NDArray[np.int64]]] = {}
    for effect in effects:
        if isinstance(effect, CatalogEffect):
            for key, value in effect.changes:
                if value is not None:
                    changes.put_catalog[key] = value
                    changes.delete_catalog.discard(key)
                    if key.startswith(TABLE):
                        definition = decode_document(key, value, TableDefinition)
                        changes.tablets[definition.number] = frozenset(definition.tablet_numbers)
                        changes.fields[definition.number] = definition.field_numbers
                else:
                    changes.put_catalog.pop(key, None)
                    changes.delete_catalog.add(key)
                    if key.startswith(TABLE):
                        changes.tablets.pop(table_number(key), None)
                        changes.drop_tables.append(table_number(key))
            continue
        where = effect.table, effect.tablet
        if effect.block is not None:
            blocks.setdefault(where, []).append(effect.block)
        if len(effect.dead):
            dead.setdefault(where, []).append(effect.dead)
    dropped = set(changes.drop_tables)

    def is_kept(table: int, tablet: int) -> bool:
        return table not in dropped and (table not in changes.tablets or tablet in changes.tablets[table])

    for (table, tablet), parts in blocks.items():
        if is_kept(table, tablet):
            gone = np.sort(np.concatenate(dead[table, tablet])) if (table, tablet) in dead else None
            changes.put_blocks += [(table, tablet, block) for block in _regroup(parts, gone)]
    for (table, tablet), ids in dead.items():
        if is_kept(table, tablet):
            before = min((int(part.row_ids[0]) for part in blocks.get((table, tablet), ())), default=None)
            row_ids = np.concatenate(ids)
            changes.dead.append((table, tablet, row_ids if before is None else row_ids[row_ids < before]))
    return changes


def _regroup(blocks: Sequence[RowBlock], dead: npt.NDArray[np.int64] | None) -> list[RowBlock]:
    """The same rows without the `dead` (rising), in blocks of at most BLOCK_ROWS_MAX; large blocks are cut without copying, small ones
    joined."""
    out: list[RowBlock] = []
    small: list[RowBlock] = []

    def join() -> None:
        if small:
            for joined in concat_alike(small):
                cut(joined)
            small.clear()

    def cut(block: RowBlock) -> None:
        rows = len(block.row_ids)
        out.extend(slice_block(block, a, min(a + BLOCK_ROWS_MAX, rows)) for a in range(0, rows, BLOCK_ROWS_MAX))

    for whole in blocks:
        block = whole
        if dead is not None:
            gone = are_among(block.row_ids, dead)
            if gone.any():
                block = select_rows(block, ~gone)
        if not len(block.row_ids):
            continue
        if len(block.row_ids) >= BLOCK_ROWS_MAX // 2:
            join()
            cut(block)
        else:
            small.append(block)
    join()
    return out


class Checkpointer:
    """Lives on the event loop; owns the store thread, the only one that writes to LMDB.

    `failed` completes with the ProcessExit that ended it.
    """

    def __init__(self, options: EngineOptions, store: RowStore, log: Log) -> None:
        self._options = options
        self._store = store
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._thread = WorkerThread("store")
        self._entries: list[OverlayEntry] = []
        self._bytes = 0
        self._applying_bytes = 0
        self._records = 0
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closing = False
        self._flushes: list[tuple[int, asyncio.Future[None]]] = []
        self._added_lsn = store.applied().lsn
        self.applied_lsn = store.applied().lsn
        self.failed: asyncio.Future[ProcessExit] = self._loop.create_future()
        self._task = self._loop.create_task(self._run())

    @property
    def overlay_bytes(self) -> int:
        return self._bytes + self._applying_bytes

    def add(self, effects: Sequence[Effect], position: BatchPosition) -> None:
        """Take durable effects; event loop only."""
        entry = OverlayEntry.of(effects, position)
        self._entries.append(entry)
        self._added_lsn = position.last_lsn
        self._bytes += entry.size_bytes
        self._records += len(effects)
        if self._records >= self._options.checkpoint_records or self._bytes >= self._options.checkpoint_bytes:
            self._due.set()
        if self.overlay_bytes >= self._options.overlay_bytes_max:
            self._room.clear()

    async def wait_for_room(self) -> None:
        await self._room.wait()

    async def flush(self) -> None:
        """Return when the store has all that was added up to now. Raises RetryLater if the disk fails first."""
        if self.applied_lsn >= self._added_lsn:
            return
        done: asyncio.Future[None] = self._loop.create_future()
        self._flushes.append((self._added_lsn, done))
        self._due.set()
        await done

    async def in_store_thread(self, work: Callable[[], _T]) -> _T:
        """Run `work` between two checkpoints: nobody writes to the store meanwhile."""
        return await self._thread.do(work)

    async def close(self) -> None:
        """Apply everything, then end the thread."""
        self._closing = True
        self._due.set()
        await self._task
        await self._thread.close()

    async def _run(self) -> None:
        while not self.failed.done() and not (self._closing and not self._entries):
            if not self._closing:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._due.wait(), self._options.checkpoint_interval_s)
            self._due.clear()
            if self._entries:
                await self._apply()

    async def _apply(self) -> None:
        entries, self._entries = self._entries, []
        self._applying_bytes, self._bytes, self._records = self._bytes, 0, 0
        try:
            applied = await self._thread.do(partial(self._apply_and_cut, entries))
        except ProcessExit as error:
            self._stop(error)
            return
        except HippodError as error:
            # Nothing was applied and nothing is lost: the log has it. Keep it and try again after a while.
            _log.warning("the store could not take a checkpoint, it will be tried again: %s", error.message)
            self._entries = [*entries, *self._entries]
            self._bytes, self._applying_bytes = self._bytes + self._applying_bytes, 0
            if self._closing:
                self._entries = []
            else:
                await asyncio.sleep(self._options.checkpoint_interval_s)
            return
        except Exception as error:
            _log.exception("a checkpoint failed")
            self._stop(ProcessExit(f"a checkpoint failed by a defect of the server: {type(error).__name__}"))
            return
        self.applied_lsn = applied.lsn
        self._applying_bytes = 0
        for lsn, done in self._flushes:
            if lsn <= applied.lsn and not done.done():
                done.set_result(None)
        self._flushes = [(lsn, done) for lsn, done in self._flushes if not done.done()]
        if self.overlay_bytes < self._options.overlay_bytes_max:
            self._room.set()

    def _stop(self, error: ProcessExit) -> None:
        self.failed.set_result(error)
        self._room.set()
        for _, done in self._flushes:
            if not done.done():
                done.set_exception(RetryLater("the server is stopping after a disk failure"))

    def _apply_and_cut(self, entries: Sequence[OverlayEntry]) -> AppliedPosition:
        applied = apply_entries(self._store, entries)
        self._log.cut(applied)
        return applied
