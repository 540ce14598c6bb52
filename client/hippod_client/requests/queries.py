"""Reading by condition and by likeness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from hippod_client.columns import encode_vectors
from hippod_client.found_rows import MultiSearchResult
from hippod_client.requests.base import Reply, Request
from hippod_client.results import Columns, Hits, Rows, SearchResult
from hippod_client.searches import PartialSearch, StoredVectors
from hippod_client.wire.bodies import Blocks

P = TypeVar("P")


class Page(NamedTuple, Generic[P]):
    """Some rows, and what asks for those behind them; None behind the last."""

    rows: P
    next: str | None


def query(database: str, table: str, filter: str, output_fields: Sequence[str] | None, limit: int, offset: int) -> Request[Rows]:
    return Request(_query(database, table, filter, output_fields, limit, {"offset": offset}), Rows.of_query, is_read=True)


def query_page(
    database: str, table: str, filter: str, output_fields: Sequence[str] | None, limit: int, after: str | None
) -> Request[Page[Rows]]:
    return Request(_query(database, table, filter, output_fields, limit, {"after": after}), _query_page, is_read=True)


def _query(
    database: str, table: str, filter: str, output_fields: Sequence[str] | None, limit: int, start: Mapping[str, Any]
) -> dict[str, Any]:
    body: dict[str, Any] = {"op": "query", "table": table, "filter": filter, "limit": limit, **start, "database": database}
    return body if output_fields is None else {**body, "output_fields": list(output_fields)}


def _query_page(reply: Reply) -> Page[Rows]:
    return Page(Rows.of_query(reply), reply.get("next"))


def count(database: str, table: str, filter: str) -> Request[int]:
    return Request({"op": "count", "table": table, "filter": filter, "database": database}, _count, is_read=True)


def _count(reply: Reply) -> int:
    return int(reply["count"])


def search(
    database: str,
    table: str,
    vectors: object,
    k: int,
    field: str | None,
    filter: str,
    output_fields: Sequence[str] | None,
    index: str | None,
    params: Mapping[str, Any] | None,
    offset: int = 0,
    radius: float | None = None,
    group_by: str | None = None,
    group_size: int = 1,
) -> Request[SearchResult]:
    blocks = Blocks()
    body = {"op": "search"} | _ranking(
        database, table, blocks.refer(encode_vectors(vectors)), k, field, filter, output_fields, index, params
    )
    if offset:
        body["offset"] = offset
    if radius is not None:
        body["radius"] = radius
    if group_by is not None:
        body["group_by"] = group_by
    if group_size != 1:
        body["group_size"] = group_size
    return Request(body, _hits, blocks, is_read=True)


def search_page(
    database: str,
    table: str,
    vector: object,
    k: int,
    field: str | None,
    filter: str,
    output_fields: Sequence[str] | None,
    index: str | None,
    params: Mapping[str, Any] | None,
    radius: float | None,
    after: str | None,
) -> Request[Page[Hits]]:
    blocks = Blocks()
    body = _ranking(database, table, blocks.refer(encode_vectors(vector)), k, field, filter, output_fields, index, params)
    return Request({"op": "search_page", **body, "radius": radius, "after": after}, _search_page, blocks, is_read=True)


def _ranking(
    database: str,
    table: str,
    vectors: object,
    k: int,
    field: str | None,
    filter: str,
    output_fields: Sequence[str] | None,
    index: str | None,
    params: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What all searches by one field say; nothing where the default is meant."""
    body: dict[str, Any] = {"table": table, "vectors": vectors, "k": k, "database": database}
    if field is not None:
        body["field"] = field
    if filter:
        body["filter"] = filter
    if index is not None:
        body["index"] = index
    if params:
        body["params"] = dict(params)
    if output_fields is not None:
        body["output_fields"] = list(output_fields)
    return body


def _search_page(reply: Reply) -> Page[Hits]:
    counts = np.array([len(reply["scores"])], np.int32)
    (hits,) = SearchResult(counts, reply["scores"], Columns(reply["columns"]), reply["key"])
    return Page(hits, reply.get("next"))


def hybrid_search(
    database: str,
    table: str,
    searches: Iterable[PartialSearch],
    limit: int,
    offset: int,
    fusion: str,
    rank_constant: float,
    filter: str,
    output_fields: Sequence[str] | None,
) -> Request[SearchResult]:
    blocks = Blocks()
    body: dict[str, Any] = {"op": "hybrid_search", "table": table, "searches": [search.to_wire(blocks) for search in searches]}
    body |= {
        "limit": limit,
        "offset": offset,
        "fusion": str(fusion),
        "rank_constant": rank_constant,
        "filter": filter,
        "database": database,
    }
    if output_fields is not None:
        body["output_fields"] = list(output_fields)
    return Request(body, _hits, blocks, is_read=True)


def _hits(reply: Reply) -> SearchResult:
    return SearchResult(reply["counts"], reply["scores"], Columns(reply["columns"]), reply["key"])


def multi_search(
    database: str,
    pattern: str,
    vectors: object,
    k: int,
    field: str | None,
    filter: str,
    output_fields: Sequence[str] | None,
    index: str | None,
    params: Mapping[str, Any] | None,
    offset: int,
    radius: float | None,
) -> Request[MultiSearchResult]:
    blocks = Blocks()
    body = _ranking(database, pattern, blocks.refer(encode_vectors(vectors)), k, field, filter, output_fields, index, params)
    body["pattern"] = body.pop("table")
    return Request({"op": "multi_search", **body, "offset": offset, "radius": radius}, MultiSearchResult.of, blocks, is_read=True)


def distance(database: str, left: object, right: object, metric: str | None) -> Request[npt.NDArray[np.float32]]:
    blocks = Blocks()
    sides = {name: _side(database, side, blocks) for name, side in (("left", left), ("right", right))}
    named = {} if metric is None else {"metric": str(metric)}
    return Request({"op": "distance", **sides, **named}, _distances, blocks, is_read=True)


def _side(database: str, side: object, blocks: Blocks) -> dict[str, Any]:
    if isinstance(side, StoredVectors):
        return side.to_wire(database, blocks)
    return {"of": "vectors", "vectors": blocks.refer(encode_vectors(side))}


def _distances(reply: Reply) -> npt.NDArray[np.float32]:
    found: npt.NDArray[np.float32] = reply["distances"]
    return found
