"""Copying rows into a table, a bounded part at a time: one part in memory, each part one durable write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import BytesArray, Column, ListArray, SparseArray, Values
from hippod.engine.index.pool import SearchPool
from hippod.engine.jobs import Job
from hippod.engine.operations import CopyByQuery, Insert, Update, Upsert, WriteMode, WriteResult
from hippod.engine.schema import Field
from hippod.engine.table import Table
from hippod.engine.tablet import Tablet
from hippod.engine.writer import Writer
from hippod.errors import Rejected, RetryLater

PART_ROWS_MAX: Final = 10_000
_SPARSE_ENTRY_BYTES: Final = 8
_PART_BYTES: Final = 4 << 20
_PLANNED_ROWS: Final = 65_536
_BACK_OFF_FIRST_S: Final = 0.02
_BACK_OFF_MAX_S: Final = 1.0
_OPERATIONS: Final[dict[WriteMode, type[Insert | Update | Upsert]]] = {
    WriteMode.INSERT: Insert,
    WriteMode.UPDATE: Update,
    WriteMode.UPSERT: Upsert,
}

Slots = npt.NDArray[np.int64]


class Part(NamedTuple):
    """Some rows in columns, in the order of the fields asked for; `progress` is the share of all rows up to here."""

    columns: list[Column]
    progress: float


class RemoteReader(Protocol):
    """Reads rows from another server: the net layer's part of a copy, which the engine is given at start."""

    def read(self, operation: CopyByQuery) -> AsyncGenerator[Part, None]:
        """The rows that the operation asks for, in parts of at most PART_ROWS_MAX. Raises HippodError."""
        ...


async def read_local(table: Table, fields: Sequence[Field], text: str, pool: SearchPool) -> AsyncGenerator[Part, None]:
    """The rows that match now, as they are when their part is read; those that died meanwhile are left out."""
    if text.strip():
        found = [(tablet, matches.slots) for tablet, matches in await table.matches(text)]
    else:
        found = [(tablet, np.flatnonzero(tablet.columns.alive)) for tablet in table.tablets.values()]
    total = sum(len(slots) for _, slots in found)
    done = 0
    for tablet, slots in found:
        for start in range(0, len(slots), _PLANNED_ROWS):
            for part in await pool.run(_parts, tablet, fields, slots[start : start + _PLANNED_ROWS]):
                table.require_open()
                done += len(part)
                living = part[tablet.columns.alive[part]]
                if len(living):
                    yield Part(await pool.run(tablet.take, fields, living), done / total)


async def write_parts(parts: AsyncGenerator[Part, None], table: Table, operation: CopyByQuery, writer: Writer, job: Job) -> None:
    """Write each part durably before the next one is read. Raises Rejected at the end if rows failed, with the first reason."""
    failed, reason = 0, ""
    async with aclosing(parts):
        async for part in parts:
            table.require_open()
            result = await _write(part.columns, table, operation, writer)
            job.rows += result.count
            if result.failures and not failed:
                reason = result.failures[0].message
            failed += len(result.failures)
            job.report(part.progress, "copying")
    if failed:
        raise Rejected(f"{failed} of {failed + job.rows} rows were not copied, the first because: {reason}")


async def _write(columns: list[Column], table: Table, operation: CopyByQuery, writer: Writer) -> WriteResult:
    names = operation.to_fields
    renamed = columns if names is None else [Column(name, c.values, c.valid) for name, c in zip(names, columns, strict=True)]
    write = _OPERATIONS[operation.mode](operation.to_table, renamed, operation.to_database)
    pause = _BACK_OFF_FIRST_S
    while True:
        try:
            return await writer.submit_rows(table, write, None)
        except RetryLater:
            await asyncio.sleep(pause)
            pause = min(_BACK_OFF_MAX_S, pause * 2)


def _parts(tablet: Tablet, fields: Sequence[Field], slots: Slots) -> list[Slots]:
    """The slots in parts of bounded rows and about bounded bytes."""
    ends = np.cumsum(sum((_cell_bytes(tablet, field, slots) for field in fields), np.zeros(len(slots), np.int64)))
    return list(_cut(slots, ends))


def _cut(slots: Slots, ends: npt.NDArray[np.int64]) -> Iterator[Slots]:
    start = 0
    while start < len(slots):
        before = int(ends[start - 1]) if start else 0
        stop = int(np.searchsorted(ends, before + _PART_BYTES, side="right"))
        stop = min(max(stop, start + 1), start + PART_ROWS_MAX)
        yield slots[start:stop]
        start = stop


def _cell_bytes(tablet: Tablet, field: Field, slots: Slots) -> npt.NDArray[np.int64]:
    """int64 (n,): about how many bytes each cell has."""
    if not field.is_vector:
        return _bytes_at(tablet.columns.values(field), slots, slots + 1)
    vectors = tablet.vectors(field).view(tablet.columns.count)
    if isinstance(vectors, SparseArray):
        return (vectors.offsets[slots + 1] - vectors.offsets[slots]) * _SPARSE_ENTRY_BYTES
    return np.full(len(slots), field.vector_bytes, np.int64)


def _bytes_at(values: Values, starts: Slots, stops: Slots) -> npt.NDArray[np.int64]:
    """The bytes of the cells from each start to its stop."""
    if isinstance(values, np.ndarray):
        return (stops - starts) * values.dtype.itemsize
    inner_starts, inner_stops = values.offsets[starts], values.offsets[stops]
    if isinstance(values, BytesArray):
        return inner_stops - inner_starts + 8 * (stops - starts)
    assert isinstance(values, ListArray)
    return _bytes_at(values.values, inner_starts, inner_stops) + 8 * (stops - starts)
