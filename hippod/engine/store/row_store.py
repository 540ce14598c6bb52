"""The store: everything that is durable and applied, in LMDB. The only home of lmdb.

Four named databases:

    meta      b"format" -> u32 version     b"database" -> 16 bytes     b"applied" -> u64 LSN, u64 batch number, u32 batch CRC
    catalog   document key -> document
    rows      u32 table, u16 tablet, u64 first row_id -> row block (at most 1,024 rows)
    dead      the same key -> row_ids of the block's dead rows; absent while all live

LMDB runs in its default, synchronous mode: a transaction that returned is on the disk, and the applied position is in the same
transaction as what was applied. The store is written while the server runs and read when it starts: readers of a running server
find all rows in memory, so no read transaction is ever held for long.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import lmdb
import numpy as np
import numpy.typing as npt

from hippod.engine.rowblock import RowBlock, are_among, concat_alike, decode_block, encode_block, select_rows
from hippod.engine.store.block_map import BlockMap, TabletBlocks
from hippod.engine.store.values import BlockKey, decode_dead, seal, unseal
from hippod.errors import DamagedData, DiskFailure, NoPermission, StorageFull
from hippod.fs import free_bytes
from hippod.wal.log import AppliedPosition

FORMAT_VERSION: Final = 1
_APPLIED: Final = struct.Struct("<QQI")
_VERSION: Final = struct.Struct("<I")
_REWRITES_MAX: Final = 256
_READ_BLOCKS: Final = 64
_FULL_BYTES: Final = 4 << 20


@dataclass(slots=True)
class StoreChanges:
    """What one transaction changes. `dead` are row_ids of rows that the store has; `put_blocks` have new, higher row_ids. `tablets`
    has the tablets that a table has now: rows of others go; `fields` the numbers of its fields: cells of others go with the next rewrite
    of their block."""

    put_catalog: dict[bytes, bytes] = field(default_factory=dict)
    delete_catalog: set[bytes] = field(default_factory=set)
    put_blocks: list[tuple[int, int, RowBlock]] = field(default_factory=list)
    dead: list[tuple[int, int, npt.NDArray[np.int64]]] = field(default_factory=list)
    drop_tables: list[int] = field(default_factory=list)
    tablets: dict[int, frozenset[int]] = field(default_factory=dict)
    fields: dict[int, frozenset[int]] = field(default_factory=dict)


class RowStore:
    """An open store. One thread at a time uses it; `close` gives it back. Its map of blocks always equals what is committed."""

    def __init__(self, environment: lmdb.Environment, *, read_only: bool) -> None:
        self._environment = environment
        self._meta, self._catalog, self._rows, self._dead = (
            environment.open_db(name, create=not read_only) for name in (b"meta", b"catalog", b"rows", b"dead")
        )
        self._blocks = BlockMap()
        self._fields: dict[int, frozenset[int]] = {}

    @classmethod
    def open(cls, path: Path, map_bytes: int, database_id: bytes, *, read_only: bool = False) -> RowStore:
        """Open or make the store. Raises DamagedData if it is broken, of another database or another format; DiskFailure."""
        with _disk_errors(path):
            environment = lmdb.open(str(path), map_size=map_bytes, max_dbs=4, readonly=read_only, mode=0o600, create=not read_only)
            try:
                environment.reader_check()
                store = cls(environment, read_only=read_only)
                store._check_identity(database_id, read_only=read_only)
                store._find_blocks()
            except BaseException:
                environment.close()
                raise
        return store

    def applied(self) -> AppliedPosition:
        """Up to where the log is in the store."""
        with self._environment.begin(db=self._meta) as transaction:
            value = transaction.get(b"applied")
        if value is None:
            return AppliedPosition(0, 0, 0)
        return AppliedPosition(*_APPLIED.unpack(unseal(b"applied", value, "the applied position")))

    def load_catalog(self) -> dict[bytes, bytes]:
        """All documents of the catalog."""
        with self._environment.begin(db=self._catalog) as transaction:
            return {key: bytes(unseal(key, value, f"catalog document {key!r}")) for key, value in transaction.cursor()}

    def know_fields(self, fields: Mapping[int, frozenset[int]]) -> None:
        """The numbers of the fields that tables have, by table; `apply` follows their changes."""
        self._fields.update(fields)

    def load_blocks(self, table: int, tablet: int) -> Iterator[tuple[RowBlock, npt.NDArray[np.bool_]]]:
        """The row blocks of a tablet in row_id order, each with which of its rows live. Raises DamagedData."""
        firsts = list(self._blocks.tablet(table, tablet).firsts)
        for at in range(0, len(firsts), _READ_BLOCKS):
            with self._environment.begin() as transaction:
                found = [self._read(transaction, BlockKey(table, tablet, first)) for first in firsts[at : at + _READ_BLOCKS]]
            yield from found

    def apply(self, changes: StoreChanges, applied: AppliedPosition) -> None:
        """All changes and the applied position in one synced transaction.

        Raises StorageFull if the map is full, DamagedData, or DiskFailure for anything else; then nothing was changed.
        """
        # Ahead of the commit: should it fail, the log has the changes still, and they are applied again.
        self._fields.update(changes.fields)
        try:
            with _disk_errors(Path(self._environment.path())), self._environment.begin(write=True) as transaction:
                for key, document in changes.put_catalog.items():
                    transaction.put(key, seal(key, [document]), db=self._catalog)
                for key in changes.delete_catalog:
                    transaction.delete(key, db=self._catalog)
                for table in changes.drop_tables:
                    self._drop_tablets(transaction, table, frozenset())
                for table, tablets in changes.tablets.items():
                    self._drop_tablets(transaction, table, tablets)
                grown = [self._put(transaction, table, tablet, block) for table, tablet, block in changes.put_blocks]
                for table, tablet, row_ids in changes.dead:
                    self._bury(transaction, table, tablet, _distinct(row_ids))
                self._merge(transaction, grown)
                value = seal(b"applied", [_APPLIED.pack(*applied)])
                transaction.put(b"applied", value, db=self._meta)
        except BaseException:
            self._find_blocks()
            raise

    def compact(self, table: int, tablet: int) -> int:
        """Rewrite blocks of a tablet that have dead rows, as many as one transaction should; how many dead rows went, 0 if none is left.

        Raises as `apply`.
        """
        blocks = self._blocks.tablet(table, tablet)
        chosen = [first for first in blocks.firsts if blocks.counts[first].dead][:_REWRITES_MAX]
        if not chosen:
            return 0
        gone = sum(blocks.counts[first].dead for first in chosen)
        try:
            with _disk_errors(Path(self._environment.path())), self._environment.begin(write=True) as transaction:
                for first in chosen:
                    if first in blocks.counts and blocks.counts[first].dead:
                        self._rewrite(transaction, table, tablet, blocks, blocks.merge_around(first))
        except BaseException:
            self._find_blocks()
            raise
        return gone

    def verify(self) -> Iterator[str]:
        """Read every byte. Yields a line for each thing that is wrong; ends without one if the store is sound."""
        try:
            self.load_catalog()
        except DamagedData as error:
            yield str(error)
        for (table, tablet), blocks in self._blocks.tablets():
            last = 0
            for first in blocks.firsts:
                key = BlockKey(table, tablet, first)
                try:
                    with self._environment.begin() as transaction:
                        block, _ = self._read(transaction, key)
                except DamagedData as error:
                    yield str(error)
                    continue
                if int(block.row_ids[0]) <= last or int(block.row_ids[0]) < first:
                    yield f"the store is damaged: {key} overlaps the one before it"
                last = int(block.row_ids[-1])

    def close(self) -> None:
        self._environment.close()

    def _check_identity(self, database_id: bytes, *, read_only: bool) -> None:
        version = _VERSION.pack(FORMAT_VERSION)
        with self._environment.begin(db=self._meta, write=not read_only) as transaction:
            stored = transaction.get(b"format")
            if stored is None and not read_only:
                transaction.put(b"format", seal(b"format", [version]))
                transaction.put(b"database", seal(b"database", [database_id]))
                return
            if stored is None or bytes(unseal(b"format", stored, "the format version")) != version:
                raise DamagedData(f"the store is not of format {FORMAT_VERSION}: use the hippod that wrote it")
            owner = transaction.get(b"database") or b""
            if bytes(unseal(b"database", owner, "the database id")) != database_id:
                raise DamagedData("the store belongs to another database: put the right lmdb directory back")

    def _find_blocks(self) -> None:
        """Read the map of blocks: keys, row counts and counts of the dead."""
        found = BlockMap()
        with self._environment.begin(buffers=True) as transaction:
            for raw, value in transaction.cursor(db=self._rows):
                key = BlockKey.decode(bytes(raw))
                found.tablet(key.table, key.tablet).put(key.first, int.from_bytes(value[8:12], "little"))
            for raw, value in transaction.cursor(db=self._dead):
                key = BlockKey.decode(bytes(raw))
                blocks = found.tablet(key.table, key.tablet)
                if key.first not in blocks.counts:
                    raise DamagedData(f"the store is damaged: {key} has dead rows but no block")
                blocks.set_dead(key.first, len(value) // 8)
        self._blocks = found

    def _read(self, transaction: lmdb.Transaction, key: BlockKey) -> tuple[RowBlock, npt.NDArray[np.bool_]]:
        raw = key.encode()
        value = transaction.get(raw, db=self._rows)
        if value is None:
            raise DamagedData(f"the store is damaged: {key} is missing")
        try:
            block = decode_block(unseal(raw, bytes(value), str(key)))
        except ValueError as error:
            raise DamagedData(f"the store is damaged: {key}: {error}") from error
        return block, ~are_among(block.row_ids, self._dead_of(transaction, key))

    def _dead_of(self, transaction: lmdb.Transaction, key: BlockKey) -> npt.NDArray[np.int64]:
        raw = key.encode()
        value = transaction.get(raw, db=self._dead)
        if value is None:
            return np.empty(0, np.int64)
        return decode_dead(key, unseal(raw, bytes(value), f"the dead rows of {key}"))

    def _put(self, transaction: lmdb.Transaction, table: int, tablet: int, block: RowBlock) -> TabletBlocks:
        self._write(transaction, BlockKey(table, tablet, int(block.row_ids[0])), block)
        return self._blocks.tablet(table, tablet)

    def _write(self, transaction: lmdb.Transaction, key: BlockKey, block: RowBlock) -> None:
        raw = key.encode()
        transaction.put(raw, seal(raw, encode_block(block)), db=self._rows)
        self._blocks.tablet(key.table, key.tablet).put(key.first, len(block.row_ids))

    def _delete(self, transaction: lmdb.Transaction, key: BlockKey) -> None:
        transaction.delete(key.encode(), db=self._rows)
        transaction.delete(key.encode(), db=self._dead)

    def _drop_tablets(self, transaction: lmdb.Transaction, table: int, kept: frozenset[int]) -> None:
        for key in self._blocks.drop_tablets(table, kept):
            self._delete(transaction, key)

    def _bury(self, transaction: lmdb.Transaction, table: int, tablet: int, row_ids: npt.NDArray[np.int64]) -> None:
        """Mark rows as dead; a block without a living row goes."""
        blocks = self._blocks.tablet(table, tablet)
        for first, dead in list(blocks.split(row_ids)):
            key = BlockKey(table, tablet, first)
            everyone = _distinct(np.concatenate((self._dead_of(transaction, key), dead)))
            if len(everyone) >= blocks.counts[first].rows:
                self._delete(transaction, key)
                blocks.remove(first)
            else:
                transaction.put(key.encode(), seal(key.encode(), [everyone.tobytes()]), db=self._dead)
                blocks.set_dead(first, len(everyone))

    def _merge(self, transaction: lmdb.Transaction, grown: Iterable[TabletBlocks]) -> None:
        """Merge small blocks at the ends that grew, and rewrite sparse blocks, as many as one transaction should."""
        ends = {id(blocks) for blocks in grown}
        budget = _REWRITES_MAX
        for (table, tablet), blocks in self._blocks.tablets():
            if id(blocks) in ends:
                group = blocks.merge_at_end()
                if len(group) > 1:
                    self._rewrite(transaction, table, tablet, blocks, group)
            while blocks.sparse and budget > 0:
                group = blocks.merge_around(min(blocks.sparse))
                self._rewrite(transaction, table, tablet, blocks, group)
                budget -= len(group)

    def _rewrite(self, transaction: lmdb.Transaction, table: int, tablet: int, blocks: TabletBlocks, group: list[int]) -> None:
        """Put the living rows of neighbouring blocks into one block, or several where they have different columns. Cells of fields that
        were dropped go."""
        keys = [BlockKey(table, tablet, first) for first in group]
        living = [self._cleaned(table, *self._read(transaction, key)) for key in keys]
        for key in keys:
            self._delete(transaction, key)
            blocks.remove(key.first)
        for block in concat_alike(living):
            self._write(transaction, BlockKey(table, tablet, int(block.row_ids[0])), block)

    def _cleaned(self, table: int, block: RowBlock, alive: npt.NDArray[np.bool_]) -> RowBlock:
        fields = self._fields.get(table)
        if fields is not None and not block.columns.keys() <= fields:
            block = RowBlock(block.row_ids, {number: cells for number, cells in block.columns.items() if number in fields})
        return select_rows(block, alive)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """LMDB's errors as ours."""
    try:
        yield
    except lmdb.MapFullError as error:
        raise StorageFull("the store has reached its map size: raise map_bytes and restart") from error
    except (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PanicError, lmdb.VersionMismatchError, lmdb.PageNotFoundError) as error:
        raise DamagedData(f"the store {path} is damaged: {error}; restore from a backup") from error
    except lmdb.Error as error:
        if getattr(error, "code", None) in (errno.EACCES, errno.EPERM):
            raise NoPermission(f"no permission to use the store {path}: {error}") from error
        raise DiskFailure(f"the store {path} cannot be read or written: {error}{_fullness(path)}") from error


def _fullness(path: Path) -> str:
    """What to say of a disk that is full, of which LMDB says "Input/output error" only; empty if it is not, or does not tell."""
    with suppress(OSError):
        if (free := free_bytes(path)) < _FULL_BYTES:
            return f"; {free} bytes are free on its disk: make space and start again, nothing is lost"
    return ""


def _distinct(row_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Ascending, each once. Sorting is several times quicker here than `np.unique`, which hashes."""
    ordered = np.sort(row_ids)
    new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]
