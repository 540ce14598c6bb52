"""The route of whole rankings, page by page."""

from __future__ import annotations

from typing import Any, Final

from hippod.engine.operations import GetSchema, SearchPage, SearchPageResult, TableSchema
from hippod.net.rest.body import DatabaseQuery, plain_values
from hippod.net.rest.columns import shown_cells
from hippod.net.rest.envelope import Answer
from hippod.net.rest.queries import FieldData, QueryVectors, RankingParams, check_decimals, queries_of, shown_scores
from hippod.net.rest.routes import Call, Route


class SearchPageBody(QueryVectors, frozen=True, kw_only=True):
    """One query; `after` is `next` of the page before. `round_decimal`: decimals of the scores, below 0 or absent for all of them."""

    search_params: RankingParams
    output_fields: list[str] | None = None
    dsl: str | None = None
    round_decimal: int | None = None
    after: str | None = None


class SearchPageAnswer(Answer, frozen=True):
    """The rows of the page, best first; `next` is absent on the last one."""

    fields_data: list[FieldData]
    scores: Any
    next: str | None = None

    @property
    def cells(self) -> int:
        return len(self.scores) * (1 + len(self.fields_data))


async def search_page(call: Call[DatabaseQuery, SearchPageBody]) -> SearchPageAnswer:
    body, wanted, pool = call.body, call.body.search_params, call.engine.pool
    check_decimals(body.round_decimal)
    found: TableSchema = await call.execute(GetSchema(call.path["table"], database=call.query.database_name))
    field = found.schema.field(wanted.anns_field)
    operation = SearchPage(
        table=call.path["table"],
        vectors=await queries_of(body, field, pool),
        k=wanted.topk,
        field=field.name,
        filter=body.dsl or "",
        output_fields=body.output_fields,
        index=wanted.embedding_index,
        params=plain_values(wanted.params or {}),
        radius=wanted.radius,
        after=body.after,
        database=call.query.database_name,
    )
    result: SearchPageResult = await call.execute(operation)
    return await pool.run(_page, found, body.output_fields or [result.key], body.round_decimal, result)


def _page(table: TableSchema, names: list[str], decimals: int | None, result: SearchPageResult) -> SearchPageAnswer:
    by_name = {column.field: column for column in result.columns}
    data = [FieldData(name, shown_cells(table.schema.field(name), by_name[name])) for name in names]
    return SearchPageAnswer(data, shown_scores(result.scores, decimals), result.next)


ROUTES: Final = (Route("GET POST", "/{table}/_search_page", search_page, "Rank all rows by likeness, page by page"),)
