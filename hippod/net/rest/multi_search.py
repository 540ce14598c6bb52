"""The route of a search over several tables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np

from hippod.engine.arrays import Column, slice_values
from hippod.engine.operations import GetSchema, MultiSearch, MultiSearchResult, TableSchema
from hippod.engine.schema import Field
from hippod.errors import BadRequest
from hippod.net.rest.body import Body, DatabaseQuery, plain_values
from hippod.net.rest.columns import read_vectors, shown_cells
from hippod.net.rest.envelope import Answer
from hippod.net.rest.queries import FieldData, SearchParams, check_decimals, shown_scores
from hippod.net.rest.routes import Call, Route


class MultiSearchBody(Body, frozen=True):
    """`round_decimal`: so many decimals of the scores; absent or negative, all."""

    output_fields: list[str]
    search_params: SearchParams
    vectors: msgspec.Raw
    dsl: str | None = None
    round_decimal: int | None = None
    only_explain: bool | None = None


class FoundRows(msgspec.Struct, frozen=True):
    """The hits of one query; `tables` has the origin of each, as database#table@id."""

    query: int
    fields_data: list[FieldData]
    scores: Any
    tables: list[str]


class MultiSearchAnswer(Answer, frozen=True):
    num_queries: int
    top_k: int
    results: list[FoundRows]

    @property
    def cells(self) -> int:
        return sum(len(found.scores) * (1 + len(found.fields_data)) for found in self.results)


async def multi_search(call: Call[DatabaseQuery, MultiSearchBody]) -> MultiSearchAnswer:
    body, params = call.body, call.body.search_params
    if body.only_explain:
        raise BadRequest("only the search of one table is explained", field="only_explain")
    check_decimals(body.round_decimal)
    search = MultiSearch(
        pattern=call.path["tables"],
        vectors=await call.engine.pool.run(read_vectors, "vectors", body.vectors),
        k=params.topk,
        field=params.anns_field,
        filter=body.dsl or "",
        output_fields=body.output_fields,
        index=params.embedding_index,
        params=plain_values(params.params or {}),
        offset=params.offset or 0,
        radius=params.radius,
        database=call.query.database_name,
    )
    found: MultiSearchResult = await call.execute(search)
    fields = await _fields(call, found)
    ends = np.cumsum([0, *found.counts.tolist()]).tolist()
    results = [_of_query(query, found, fields, start, end, body.round_decimal) for query, (start, end) in enumerate(pairwise(ends))]
    return MultiSearchAnswer(len(found.counts), params.topk, results)


async def _fields(call: Call[DatabaseQuery, MultiSearchBody], found: MultiSearchResult) -> dict[str, Field]:
    """What the columns of the answer are, from the tables that they came from; where several have one they are of one form."""
    fields: dict[str, Field] = {}
    for label in found.tables:
        table = label.partition("#")[2].rpartition("@")[0]
        info: TableSchema = await call.execute(GetSchema(table, database=call.query.database_name))
        fields |= {field.name: field for field in info.schema.fields}
    return fields


def _of_query(query: int, found: MultiSearchResult, fields: Mapping[str, Field], start: int, end: int, decimals: int | None) -> FoundRows:
    data = []
    for column in found.columns:
        part = Column(column.field, slice_values(column.values, start, end), None if column.valid is None else column.valid[start:end])
        data.append(FieldData(column.field, shown_cells(fields[column.field], part)))
    scores = shown_scores(found.scores[start:end], decimals)
    return FoundRows(query, data, scores, [found.tables[origin] for origin in found.origins[start:end].tolist()])


ROUTES: Final = (Route("GET POST", "/{tables}/_multi_search", multi_search, "Search several tables at once"),)
