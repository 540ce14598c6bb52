"""Operations that read by condition or by likeness."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from hippod.engine.explain import Trace, plan_query
from hippod.engine.grouping import search_groups
from hippod.engine.hybrid import search_hybrid
from hippod.engine.multi_search import search_tables
from hippod.engine.operations import (
    Count,
    CountResult,
    HybridSearch,
    HybridSearchResult,
    MultiSearch,
    MultiSearchResult,
    Query,
    QueryResult,
    Search,
    SearchPage,
    SearchPageResult,
    SearchResult,
)
from hippod.engine.operations.multi_search import TABLES_SEARCHED_MAX
from hippod.engine.operations.queries import QUERY_ROWS_MAX
from hippod.engine.patterns import check_patterns, name_matcher
from hippod.engine.query_pages import cursor_of, no_rows, page_of
from hippod.engine.ranking_pages import search_page as next_page
from hippod.engine.search import search as search_table
from hippod.errors import LimitExceeded, TableNotFound

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


def search(engine: Engine, operation: Search, _deadline: float | None) -> asyncio.Future[SearchResult]:
    table = engine.table(operation.database, operation.table)
    if operation.group_by is not None and not operation.explain:
        return asyncio.ensure_future(search_groups(table, operation, engine.pool))
    return search_table(table, operation, engine.pool)


async def hybrid_search(engine: Engine, operation: HybridSearch, _deadline: float | None) -> HybridSearchResult:
    return await search_hybrid(engine.table(operation.database, operation.table), operation, engine.pool)


async def search_page(engine: Engine, operation: SearchPage, _deadline: float | None) -> SearchPageResult:
    return await next_page(engine.table(operation.database, operation.table), operation, engine.pool)


async def multi_search(engine: Engine, operation: MultiSearch, _deadline: float | None) -> MultiSearchResult:
    parts = check_patterns(operation.pattern)
    found = {t.number: t for t in (engine.catalog.resolve(operation.database, part) for part in parts if "*" not in part)}
    means = name_matcher(part for part in parts if "*" in part)
    found |= {t.number: t for t in engine.catalog.tables_of(operation.database) if means(t.name)}
    tables = [engine.tables[number] for number in found if number in engine.tables]
    if not tables:
        raise TableNotFound(f"no open table of database {operation.database!r} matches {operation.pattern!r}", table=operation.pattern)
    if len(tables) > TABLES_SEARCHED_MAX:
        raise LimitExceeded(f"one search is over at most {TABLES_SEARCHED_MAX} tables, not {len(tables)}", limit=TABLES_SEARCHED_MAX)
    return await search_tables(tables, operation, engine.pool)


async def count(engine: Engine, operation: Count, _deadline: float | None) -> CountResult:
    table = engine.table(operation.database, operation.table)
    if not operation.filter.strip():
        return CountResult(table.row_count)
    return CountResult(sum(len(found.matches.slots) for found in await table.matches(operation.filter)))


async def query(engine: Engine, operation: Query, _deadline: float | None) -> QueryResult:
    table = engine.table(operation.database, operation.table)
    fields = table.output_fields(operation.output_fields, table.schema.scalar_fields)
    if not 0 <= operation.limit <= QUERY_ROWS_MAX:
        raise LimitExceeded(f"limit is from 0 to {QUERY_ROWS_MAX}, not {operation.limit}", limit=QUERY_ROWS_MAX)
    if operation.offset < 0:
        raise LimitExceeded(f"offset is 0 or more, not {operation.offset}", limit=0)
    cursor = cursor_of(table, operation.after)
    if operation.explain:
        return msgspec.structs.replace(no_rows(table.tablets, fields), plan=await plan_query(table, operation))
    trace = Trace()
    tablets = table.tablets
    with trace.stage("filter"):
        if operation.filter.strip():
            found = [(tablet, matches.slots) for tablet, matches in await table.matches(operation.filter)]
        else:
            found = [(tablet, np.flatnonzero(tablet.columns.alive)) for tablet in tablets.values()]
    trace.matches = sum(len(slots) for _, slots in found)
    with trace.stage("gather"):
        result = await engine.pool.run(page_of, table.number, tablets, fields, found, cursor, operation.offset, operation.limit)
    return msgspec.structs.replace(result, profile=trace.profile()) if operation.profile else result
