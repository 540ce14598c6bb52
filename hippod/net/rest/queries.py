"""Routes that read rows: by likeness, by condition, and counted."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from hippod.engine.operations import Count, CountResult, GetSchema, Plan, Profile, Query, QueryResult, Search, SearchResult, TableSchema
from hippod.errors import BadRequest, TypeMismatch
from hippod.net.rest.body import Body, DatabaseQuery, plain_values
from hippod.net.rest.columns import read_vectors, shown_cells
from hippod.net.rest.envelope import Answer
from hippod.net.rest.routes import Call, Route

_DECIMALS_MAX: Final = 15
_ABSENT: Final = msgspec.Raw(b"null")
_BYTES_ON_LOOP_MAX: Final = 16 << 10
_CELLS_ON_LOOP_MAX: Final = 4_096


def _absent() -> msgspec.Raw:
    """As null, so that both are one case; a plain default would have to be shown in the OpenAPI document."""
    return _ABSENT


class SearchParams(Body, frozen=True):
    """`params` of the index, others are ignored; `embedding_index` names one, else the first active one on `anns_field` answers, whose
    metric counts: `metric_type` is taken and has no effect."""

    anns_field: str
    topk: int
    params: dict[str, Any] | None = None
    embedding_index: str | None = None
    metric_type: str | None = None


class SearchBody(Body, frozen=True):
    """`vectors`: one list of numbers a query. `round_decimal`: decimals of the scores, below 0 or absent for all of them."""

    search_params: SearchParams
    output_fields: list[str] | None = None
    vectors: msgspec.Raw = msgspec.field(default_factory=_absent)
    binary_vectors: msgspec.Raw = msgspec.field(default_factory=_absent)
    sparse_vectors: msgspec.Raw = msgspec.field(default_factory=_absent)
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
    """`expr` empty or absent: all rows, in the order of their primary keys."""

    output_fields: list[str] | None = None
    expr: str | None = None
    limit: int | None = None
    offset: int | None = None
    only_explain: bool | None = None
    with_profile: bool | None = None


class QueryAnswer(Answer, frozen=True):
    """The output fields, with one value a row; none, but `explain`, with only_explain; `profile` with with_profile."""

    fields_data: list[FieldData]
    explain: Plan | None = None
    profile: Profile | None = None

    @property
    def cells(self) -> int:
        return sum(len(data.field_values) for data in self.fields_data)


class CountBody(Body, frozen=True):
    expr: str | None = None


class CountAnswer(Answer, frozen=True):
    total: int


async def search(call: Call[DatabaseQuery, SearchBody]) -> SearchAnswer:
    body, wanted, pool = call.body, call.body.search_params, call.engine.pool
    if body.binary_vectors != _ABSENT or body.sparse_vectors != _ABSENT:
        raise TypeMismatch("a table has float vectors: give the queries as vectors", field="vectors")
    if body.vectors == _ABSENT:
        raise BadRequest("vectors is missing: one list of numbers a query", field="vectors")
    if body.round_decimal is not None and body.round_decimal > _DECIMALS_MAX:
        raise BadRequest(f"round_decimal is at most {_DECIMALS_MAX}", field="round_decimal")
    is_small = len(body.vectors) <= _BYTES_ON_LOOP_MAX
    vectors = read_vectors("vectors", body.vectors) if is_small else await pool.run(read_vectors, "vectors", body.vectors)
    found: TableSchema = await call.execute(GetSchema(call.path["table"], database=call.query.database_name))
    operation = Search(
        table=call.path["table"],
        vectors=vectors,
        k=wanted.topk,
        field=wanted.anns_field,
        filter=body.dsl or "",
        output_fields=body.output_fields,
        index=wanted.embedding_index,
        params=plain_values(wanted.params or {}),
        explain=bool(body.only_explain),
        profile=bool(body.with_profile),
        database=call.query.database_name,
    )
    result: SearchResult = await call.execute(operation)
    if len(result.scores) * len(result.columns) <= _CELLS_ON_LOOP_MAX:
        return _search_answer(found, operation, body.round_decimal, result)
    return await pool.run(_search_answer, found, operation, body.round_decimal, result)


def _search_answer(found: TableSchema, operation: Search, decimals: int | None, result: SearchResult) -> SearchAnswer:
    """The hits of each query, with the output fields as asked, also where there are none."""
    names = operation.output_fields or [result.key]
    by_name = {column.field: column for column in result.columns}
    shown = [(name, shown_cells(found.schema.field(name), by_name[name])) for name in names if name in by_name]
    scores: Any = result.scores
    if decimals is not None and decimals >= 0:
        scores = np.round(scores.astype(np.float64), decimals)
    ends = np.cumsum(result.counts).tolist()
    hits = []
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        hits.append(QueryHits(number, [FieldData(name, cells[start:end]) for name, cells in shown], scores[start:end]))
    return SearchAnswer(len(operation.vectors), operation.k, hits, result.plan, result.profile)


async def query(call: Call[DatabaseQuery, QueryBody]) -> QueryAnswer:
    table, database, body = call.path["table"], call.query.database_name, call.body
    found: TableSchema = await call.execute(GetSchema(table, database=database))
    operation = Query(
        table=table,
        filter=body.expr or "",
        output_fields=body.output_fields,
        limit=1_000 if body.limit is None else body.limit,
        offset=body.offset or 0,
        explain=bool(body.only_explain),
        profile=bool(body.with_profile),
        database=database,
    )
    result: QueryResult = await call.execute(operation)
    return await call.engine.pool.run(_query_answer, found, result)


def _query_answer(found: TableSchema, result: QueryResult) -> QueryAnswer:
    data = [FieldData(column.field, shown_cells(found.schema.field(column.field), column)) for column in result.columns]
    return QueryAnswer(data, result.plan, result.profile)


async def count(call: Call[DatabaseQuery, CountBody]) -> CountAnswer:
    result: CountResult = await call.execute(Count(call.path["table"], call.body.expr or "", call.query.database_name))
    return CountAnswer(result.count)


ROUTES: Final = (
    Route("GET POST", "/{table}/_search", search, "Find the rows nearest to each query vector"),
    Route("GET POST", "/{table}/_query", query, "Read the rows that match"),
    Route("GET POST", "/{table}/_count", count, "Count the rows, or those that match"),
)
