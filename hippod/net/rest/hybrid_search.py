"""The route of a hybrid search: several searches of one table whose rankings become one."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations import Fusion, GetSchema, HybridSearch, HybridSearchResult, PartialSearch, Plan, Profile, TableSchema
from hippod.errors import BadRequest
from hippod.net.rest.body import Body, DatabaseQuery, plain_values
from hippod.net.rest.envelope import Answer
from hippod.net.rest.queries import QueryHits, QueryVectors, RankingParams, check_decimals, queries_of, shown_hits
from hippod.net.rest.routes import Call, Route


class PartialSearchBody(QueryVectors, frozen=True, kw_only=True):
    """One of the searches: its `topk` best hits take part, with a `weight` (1). `dsl` is its filter, in place of that of the whole."""

    search_params: RankingParams
    dsl: str | None = None
    weight: float | None = None


class HybridSearchBody(Body, frozen=True):
    """`fusion`: rrf (the default, with its `rank_constant`, 60), weighted or relative. `dsl` is the filter of searches without one.

    `round_decimal`: decimals of the scores, below 0 or absent for all of them.
    """

    searches: list[PartialSearchBody]
    limit: int | None = None
    offset: int | None = None
    fusion: str | None = None
    rank_constant: float | None = None
    output_fields: list[str] | None = None
    dsl: str | None = None
    round_decimal: int | None = None
    only_explain: bool | None = None
    with_profile: bool | None = None


class HybridSearchAnswer(Answer, frozen=True):
    """The rows of each query, best first; none, but `explain`, with only_explain; `profile` with with_profile: each one a search."""

    num_queries: int
    top_k: int
    results: list[QueryHits]
    explain: list[Plan] | None = None
    profile: list[Profile] | None = None

    @property
    def cells(self) -> int:
        return sum(len(hits.scores) for hits in self.results)


async def hybrid_search(call: Call[DatabaseQuery, HybridSearchBody]) -> HybridSearchAnswer:
    body, table, database = call.body, call.path["table"], call.query.database_name
    check_decimals(body.round_decimal)
    found: TableSchema = await call.execute(GetSchema(table, database=database))
    operation = HybridSearch(
        table=table,
        searches=[await _partial(call, found, search) for search in body.searches],
        limit=10 if body.limit is None else body.limit,
        offset=body.offset or 0,
        fusion=_fusion(body.fusion),
        rank_constant=60.0 if body.rank_constant is None else body.rank_constant,
        filter=body.dsl or "",
        output_fields=body.output_fields,
        explain=bool(body.only_explain),
        profile=bool(body.with_profile),
        database=database,
    )
    result: HybridSearchResult = await call.execute(operation)
    hits = await call.engine.pool.run(shown_hits, found, body.output_fields or [result.key], body.round_decimal, result)
    return HybridSearchAnswer(len(result.counts), operation.limit, hits, result.plans, result.profiles)


async def _partial(call: Call[DatabaseQuery, HybridSearchBody], found: TableSchema, search: PartialSearchBody) -> PartialSearch:
    wanted = search.search_params
    field = found.schema.field(wanted.anns_field)
    return PartialSearch(
        vectors=await queries_of(search, field, call.engine.pool),
        k=wanted.topk,
        field=field.name,
        filter=search.dsl,
        index=wanted.embedding_index,
        params=plain_values(wanted.params or {}),
        radius=wanted.radius,
        weight=1.0 if search.weight is None else search.weight,
    )


def _fusion(name: str | None) -> Fusion:
    try:
        return Fusion((name or Fusion.RRF).lower())
    except ValueError:
        raise BadRequest(f"fusion is one of {', '.join(Fusion)}, not {str(name)[:40]!r}", field="fusion") from None


ROUTES: Final = (Route("GET POST", "/{table}/_hybrid_search", hybrid_search, "Find the best rows by several searches together"),)
