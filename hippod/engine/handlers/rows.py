"""Operations on rows: writes go to the writer, reads by key are answered from memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hippod.engine.addresses import gather
from hippod.engine.normalize import normalize_keys
from hippod.engine.operations import Delete, DeleteByQuery, DeleteMatching, Get, GetResult, Insert, Update, Upsert, WriteResult
from hippod.engine.operations.rows import GET_ROWS_MAX
from hippod.engine.row_writes import prepare_delete_matching
from hippod.engine.table import Table
from hippod.engine.table_change import TableChange
from hippod.engine.write_queue import Commit
from hippod.errors import Rejected

if TYPE_CHECKING:
    from hippod.engine.engine import Engine

_DELETES_PER_BATCH: Final = 1_000_000
_CELLS_ON_LOOP_MAX: Final = 4_096


def write_rows(engine: Engine, operation: Insert | Update | Upsert | Delete, deadline: float | None) -> asyncio.Future[WriteResult]:
    table = engine.table(operation.database, operation.table, for_write=True)
    return engine.writer.submit_rows(table, operation, deadline)


@dataclass(slots=True, eq=False)
class _DeleteBatch:
    engine: Engine
    table: Table
    text: str
    rows_max: int
    frees_space: bool = True

    def prepare(self) -> Commit:
        change = TableChange(self.engine.current(self.table))
        count = prepare_delete_matching(change, self.text, self.rows_max)
        return Commit([WriteResult(count)], [change])


async def delete_by_query(engine: Engine, operation: DeleteByQuery, deadline: float | None) -> WriteResult:
    """Up to a million rows go in one batch; more go in several, each whole."""
    table = filtered_table(engine, operation)
    return WriteResult(sum([n async for n in delete_matching_rows(engine, table, operation.filter, _DELETES_PER_BATCH, deadline)]))


def filtered_table(engine: Engine, operation: DeleteByQuery | DeleteMatching) -> Table:
    """The table to remove rows from. Raises Rejected without a filter, FilterError for one that is wrong."""
    if not operation.filter.strip():
        raise Rejected("a delete by query needs a filter; to remove all rows drop the table", field="filter")
    table = engine.table(operation.database, operation.table, for_write=True)
    table.filter(operation.filter)
    return table


async def delete_matching_rows(engine: Engine, table: Table, text: str, rows_max: int, deadline: float | None) -> AsyncIterator[int]:
    """Remove the rows that match, up to `rows_max` in a batch; yields how many went with each."""
    while True:
        result: Any = await engine.writer.submit_exclusive(_DeleteBatch(engine, table, text, rows_max), deadline)
        yield result.count
        if result.count < rows_max:
            return


def get(engine: Engine, operation: Get, _deadline: float | None) -> GetResult | asyncio.Future[GetResult]:
    table = engine.table(operation.database, operation.table)
    fields = table.output_fields(operation.output_fields, table.schema.fields)
    keys = normalize_keys(table.schema, operation.keys, GET_ROWS_MAX)
    addresses = table.keys.lookup(keys)
    found = np.flatnonzero(addresses >= 0)
    tablets = table.tablets

    def gather_found() -> GetResult:
        return GetResult(gather(tablets, fields, addresses[found]), found.astype(np.int32))

    cells = len(found) * sum(f.vector_bytes // 4 if f.is_vector else 1 for f in fields)
    return gather_found() if cells <= _CELLS_ON_LOOP_MAX else engine.pool.run(gather_found)
