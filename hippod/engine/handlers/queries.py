"""Operations that read by condition or by likeness."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import StringArray, Values, concat_values, take_values
from hippod.engine.matching import Matches
from hippod.engine.operations import Count, CountResult, Query, QueryResult, Result, Search
from hippod.engine.operations.queries import FILTER_BYTES_MAX, QUERY_ROWS_MAX
from hippod.engine.schema import Field
from hippod.engine.search import gather_from
from hippod.engine.search import search as search_table
from hippod.engine.table import Table
from hippod.errors import LimitExceeded

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


def search(engine: Engine, operation: Search, _deadline: float | None) -> asyncio.Future[Result]:
    return search_table(engine.table(operation.database, operation.table), operation, engine.pool)


async def count(engine: Engine, operation: Count, _deadline: float | None) -> CountResult:
    table = engine.table(operation.database, operation.table)
    if not operation.filter.strip():
        return CountResult(table.row_count)
    return CountResult(sum(len(m.slots) for m in await _matches(table, operation.filter)))


async def query(engine: Engine, operation: Query, _deadline: float | None) -> QueryResult:
    table = engine.table(operation.database, operation.table)
    fields = table.output_fields(operation.output_fields, table.schema.scalar_fields)
    if not 0 <= operation.limit <= QUERY_ROWS_MAX:
        raise LimitExceeded(f"limit is from 0 to {QUERY_ROWS_MAX}, not {operation.limit}", limit=QUERY_ROWS_MAX)
    if operation.offset < 0:
        raise LimitExceeded(f"offset is 0 or more, not {operation.offset}", limit=0)
    if operation.filter.strip():
        slots = [m.slots for m in await _matches(table, operation.filter)]
    else:
        slots = [np.flatnonzero(t.columns.alive) for t in table.tablets]
    return await engine.pool.run(_page, table, fields, slots, operation.offset, operation.limit)


async def _matches(table: Table, text: str) -> list[Matches]:
    if len(text) > FILTER_BYTES_MAX:
        raise LimitExceeded(f"a filter has at most {FILTER_BYTES_MAX} characters", limit=FILTER_BYTES_MAX)
    condition = table.filter(text)
    return await asyncio.gather(*(matcher.matches(text, condition) for matcher in table.matchers))


def _page(table: Table, fields: Sequence[Field], slots: Sequence[npt.NDArray[np.int64]], offset: int, limit: int) -> QueryResult:
    """The rows from `offset` on in primary key order; runs in the search pool."""
    origin = np.repeat(np.arange(len(slots)), [len(s) for s in slots])
    flat = np.concatenate(slots)
    keys = concat_values([take_values(t.key_values(), s) for t, s in zip(table.tablets, slots, strict=True)])
    order = _key_order(keys, min(offset + limit, len(flat)))[offset : offset + limit]
    return QueryResult(gather_from(table.tablets, fields, origin[order], flat[order]), len(order))


def _key_order(keys: Values, count: int) -> npt.NDArray[np.intp]:
    """Positions of the `count` smallest keys, ascending."""
    if isinstance(keys, StringArray):
        cells: list[Any] = keys.to_bytes_list()
        return np.array(sorted(range(len(cells)), key=cells.__getitem__)[:count], np.intp)
    assert isinstance(keys, np.ndarray)
    if count < len(keys):
        first = np.argpartition(keys, count)[:count]
        return first[np.argsort(keys[first])]
    return np.argsort(keys)
