"""What a write changes, in the form in which it is logged, applied to memory and stored.

Effects never need validation and are idempotent: replaying them over a state that already has them changes nothing. Two kinds of
log record carry them:

    operation 1, catalog   body = msgpack list of [key, value or nil]: catalog documents put or deleted
    operation 2, rows      body = header, row_ids that die, one row block (see rowblock); little-endian
                           u16 tablet, u16 0, u32 deaths, i64 row_id for each death, then the block (absent if no row is put)
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import BytesArray, SparseArray, Values
from hippod.engine.rowblock import RowBlock, decode_block, encode_block
from hippod.errors import DamagedData
from hippod.wal.record import Record

_ROWS_HEADER: Final = struct.Struct("<HHI")


class LogOperation(enum.IntEnum):
    CATALOG = 1
    ROWS = 2


@dataclass(frozen=True, slots=True)
class CatalogEffect:
    """Catalog documents to put (value) or delete (None), in order."""

    changes: tuple[tuple[bytes, bytes | None], ...]

    def record(self) -> Record:
        return Record(LogOperation.CATALOG, 0, 0, [msgspec.msgpack.encode(self.changes)])


@dataclass(frozen=True, slots=True)
class RowsEffect:
    """Rows put into and row_ids (int64) dropped from one tablet."""

    table: int
    tablet: int
    dead: npt.NDArray[np.int64]
    block: RowBlock | None

    def record(self) -> Record:
        head = _ROWS_HEADER.pack(self.tablet, 0, len(self.dead)) + self.dead.tobytes()
        buffers = [head, *encode_block(self.block)] if self.block is not None else [head]
        return Record(LogOperation.ROWS, self.table, 0, buffers)

    def size_bytes(self) -> int:
        """About what holding this effect costs."""
        rows = 0 if self.block is None else sum(column_bytes(c.values) for c in self.block.columns.values())
        return 256 + 8 * len(self.dead) + rows


Effect = CatalogEffect | RowsEffect


def column_bytes(values: Values) -> int:
    if isinstance(values, np.ndarray):
        return values.nbytes
    total = values.offsets.nbytes
    if isinstance(values, SparseArray):
        return total + values.indices.nbytes + values.values.nbytes
    return total + (values.data.nbytes if isinstance(values, BytesArray) else column_bytes(values.values))


def decode_effect(operation: int, table: int, body: memoryview) -> Effect:
    """The effect of one log record, viewing `body`; raises DamagedData for a body that this version cannot have written."""
    try:
        if operation == LogOperation.CATALOG:
            return CatalogEffect(msgspec.msgpack.decode(body, type=tuple[tuple[bytes, bytes | None], ...]))
        if operation == LogOperation.ROWS:
            tablet, _, deaths = _ROWS_HEADER.unpack_from(body)
            end = _ROWS_HEADER.size + 8 * deaths
            dead = np.frombuffer(body[_ROWS_HEADER.size : end], np.int64)
            return RowsEffect(table, tablet, dead, decode_block(body[end:]) if len(body) > end else None)
    except (ValueError, struct.error, msgspec.MsgspecError) as error:
        raise DamagedData(f"a log record of operation {operation} for table {table} does not decode: {error}") from error
    raise DamagedData(f"the log holds operation {operation}, which this version does not know; use the version that wrote it")


def describe_effect(operation: int, table: int, body: memoryview) -> str:
    """One line for people who read the log."""
    effect = decode_effect(operation, table, body)
    if isinstance(effect, CatalogEffect):
        return "catalog " + ", ".join(f"{'put' if value is not None else 'delete'} {key!r}" for key, value in effect.changes)
    put = 0 if effect.block is None else len(effect.block.row_ids)
    span = "" if effect.block is None else f" (row_ids {effect.block.row_ids[0]}..{effect.block.row_ids[-1]})"
    return f"rows table {table} tablet {effect.tablet}: {put} put{span}, {len(effect.dead)} dropped"
