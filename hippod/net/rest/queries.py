"""Routes that read rows: by likeness, by condition, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Values
from hippod.engine.index.pool import SearchPool
from hippod.engine.operations import (
    Count,
    CountResult,
    GetSchema,
    HybridSearchResult,
    Plan,
    Profile,
    Query,
    QueryResult,
    Search,
    SearchResult,
    TableSchema,
)
from hippod.engine.schema import DataType, Field
from hippod.errors import BadRequest
from hippod.net.rest.body import ABSENT, Body, DatabaseQuery, absent, plain_values
from hippod.net.rest.columns import read_queries, shown_cells
from hippod.net.rest.envelope import Answer
from hippod.net.rest.routes import Call, Route

_QUERIES: Final = {
    "vectors": DataType.FLOAT_VECTOR,
    "binary_vectors": DataType.BINARY_VECTOR,
    "sparse_vectors": DataType.SPARSE_FLOAT_VECTOR,
}
_DECIMALS_MAX: Final = 15
_BYTES_ON_LOOP_MAX: Final = 16 << 10
_CELLS_ON_LOOP_MAX: Final = 4_096


class RankingParams(Body, frozen=True):
    """`params` of the index, others are ignored; `embedding_index` names one, else the first active one on `anns_field` answers, whose
    metric counts: `metric_type` is taken and has no effect. `radius` leaves out what scores worse."""

    anns_field: str
    topk: int
    params: dict[str, Any] | None = None
    embedding_index: str | None = None
    metric_type: str | None = None
    radius: float | None = None


class SearchParams(RankingParams, frozen=True):
    """`offset` leaves out the best hits."""

    offset: int | None = None


class GroupingParams(SearchParams, frozen=True):
    """`group_by`: `topk` and `offset` count groups of rows that are equal in this field, each with its best `group_size` rows."""

    group_by: str | None = None
    group_size: int | None = None


class QueryVectors(Body, frozen=True):
    """`vectors`, for a float field: one list of numbers a query; `binary_vectors` and `sparse_vectors` for the others."""

    vectors: msgspec.Raw = msgspec.field(default_factory=absent)
    binary_vectors: msgspec.Raw = msgspec.field(default_factory=absent)
    sparse_vectors: msgspec.Raw = msgspec.field(default_factory=absent)


class SearchBody(QueryVectors, frozen=True, kw_only=True):
    """`round_decimal`: decimals of the scores, below 0 or absent for all of them."""

    search_params: GroupingParams
    output_fields: list[str] | None = None
    dsl: str | None = None
    round_decimal: int | None = None
    only_explain: bool | None = None
    with_profile: bool | None = None


class FieldData(msgspec.Struct, frozen=True):
    """The values of one field, one a row."""

    field_name: str
    field_values: Any


class QueryHits(msgspec.Struct, frozen=True):
    """The hits of query number `query`, best first."""

    query: int
    fields_data: list[FieldData]
    scores: Any


class SearchAnswer(Answer, frozen=True):
    """The hits of all queries, in their order; none, but `explain`, with only_explain; `profile` with with_profile."""

    num_queries: int
    top_k: int
    results: list[QueryHits]
    explain: Plan | None = None
    profile: Profile | None = None

    @property
    def cells(self) -> int:
        return sum(len(hits.scores) for hits in self.results)


class QueryBody(Body, frozen=True):
    """`expr` empty or absent: all rows, in the order of their primary keys. `after`: those behind a page, from its `next`."""

    output_fields: list[str] | None = None
    expr: str | None = None
    limit: int | None = None
    offset: int | None = None
    after: str | None = None
    only_explain: bool | None = None
    with_profile: bool | None = None


class QueryAnswer(Answer, frozen=True):
    """The output fields, with one value a row; `next` if there are more; none, but `explain`, with only_explain; `profile` with
    with_profile."""

    fields_data: list[FieldData]
    next: str | None = None
    explain: Plan | None = None
    profile: Profile | None = None

    @property
    def cells(self) -> int:
        return sum(len(data.field_values) for data in self.fields_data)


class CountBody(Body, frozen=True):
    expr: str | None = None


class CountAnswer(Answer, frozen=True):
    total: int


async def queries_of(body: QueryVectors, field: Field, pool: SearchPool) -> Values:
    """The query vectors that are given, for `field`. Raises BadRequest, TypeMismatch or InvalidVector."""
    given = [(name, kind, raw) for name, kind in _QUERIES.items() if (raw := getattr(body, name)) != ABSENT]
    if len(given) != 1:
        raise BadRequest(f"the queries are one of {', '.join(_QUERIES)}: {len(given)} of them are given", field="vectors")
    ((name, kind, raw),) = given
    is_small = len(raw) <= _BYTES_ON_LOOP_MAX
    return read_queries(kind, name, raw, field) if is_small else await pool.run(read_queries, kind, name, raw, field)


def check_decimals(decimals: int | None) -> None:
    """Raise BadRequest for more decimals than a score has."""
    if decimals is not None and decimals > _DECIMALS_MAX:
        raise BadRequest(f"round_decimal is at most {_DECIMALS_MAX}", field="round_decimal")


def shown_scores(scores: npt.NDArray[np.float32], decimals: int | None) -> Any:
    """Scores with so many decimals; with all of them if that is None or negative."""
    return scores if decimals is None or decimals < 0 else np.round(scores.astype(np.float64), decimals)


async def search(call: Call[DatabaseQuery, SearchBody]) -> SearchAnswer:
    body, wanted, pool = call.body, call.body.search_params, call.engine.pool
    check_decimals(body.round_decimal)
    found: TableSchema = await call.execute(GetSchema(call.path["table"], database=call.query.database_name))
    field = found.schema.field(wanted.anns_field)
    vectors = await queries_of(body, field, pool)
    operation = Search(
        table=call.path["table"],
        vectors=vectors,
        k=wanted.topk,
        field=field.name,
        filter=body.dsl or "",
        output_fields=body.output_fields,
        index=wanted.embedding_index,
        params=plain_values(wanted.params or {}),
        offset=wanted.offset or 0,
        radius=wanted.radius,
        group_by=wanted.group_by,
        group_size=1 if wanted.group_size is None else wanted.group_size,
        explain=bool(body.only_explain),
        profile=bool(body.with_profile),
        database=call.query.database_name,
    )
    result: SearchResult = await call.execute(operation)
    names = body.output_fields or [result.key]
    if wanted.group_by is not None and wanted.group_by not in names:
        names = [*names, wanted.group_by]
    if len(result.scores) * len(result.columns) <= _CELLS_ON_LOOP_MAX:
        hits = shown_hits(found, names, body.round_decimal, result)
    else:
        hits = await pool.run(shown_hits, found, names, body.round_decimal, result)
    return SearchAnswer(len(result.counts), wanted.topk, hits, result.plan, result.profile)


def shown_hits(
    found: TableSchema, names: Sequence[str], decimals: int | None, result: SearchResult | HybridSearchResult
) -> list[QueryHits]:
    """The hits of each query, with the fields `names`, also where there are none."""
    by_name = {column.field: column for column in result.columns}
    shown = [(name, shown_cells(found.schema.field(name), by_name[name])) for name in names if name in by_name]
    scores = shown_scores(result.scores, decimals)
    ends = np.cumsum(result.counts).tolist()
    hits = []
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        hits.append(QueryHits(number, [FieldData(name, cells[start:end]) for name, cells in shown], scores[start:end]))
    return hits


async def query(call: Call[DatabaseQuery, QueryBody]) -> QueryAnswer:
    table, database, body = call.path["table"], call.query.database_name, call.body
    found: TableSchema = await call.execute(GetSchema(table, database=database))
    operation = Query(
        table=table,
        filter=body.expr or "",
        output_fields=body.output_fields,
        limit=1_000 if body.limit is None else body.limit,
        offset=body.offset or 0,
        after=body.after,
        explain=bool(body.only_explain),
        profile=bool(body.with_profile),
        database=database,
    )
    result: QueryResult = await call.execute(operation)
    return await call.engine.pool.run(_query_answer, found, result)


def _query_answer(found: TableSchema, result: QueryResult) -> QueryAnswer:
    data = [FieldData(column.field, shown_cells(found.schema.field(column.field), column)) for column in result.columns]
    return QueryAnswer(data, result.next, result.plan, result.profile)


async def count(call: Call[DatabaseQuery, CountBody]) -> CountAnswer:
    result: CountResult = await call.execute(Count(call.path["table"], call.body.expr or "", call.query.database_name))
    return CountAnswer(result.count)


ROUTES: Final = (
    Route("GET POST", "/{table}/_search", search, "Find the rows nearest to each query vector"),
    Route("GET POST", "/{table}/_query", query, "Read the rows that match"),
    Route("GET POST", "/{table}/_count", count, "Count the rows, or those that match"),
)
