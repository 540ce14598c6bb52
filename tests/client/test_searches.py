"""Every method of `SearchMethods` through both clients, with its success and its failures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hippod_client import Client, Field, FoundRow, Hits, MultiSearchResult, PartialSearch, Rows, SearchResult, SparseVectors, StoredVectors
from hippod_client import errors as e
from hippod_client.aio.searches import SearchMethods
from tests.client.checks import Checks, fails, filled

CHECKS = Checks(SearchMethods)


@CHECKS.covers("query")
async def _query(client: Client) -> None:
    await filled(client)
    found = await client.query("t", "word == 'w0' and id > 0", ["id"], limit=2, offset=1)
    assert found.to_dicts() == [{"id": 6}, {"id": 9}]
    assert list((await client.query("t")).columns) == ["id", "word"]
    assert (await client.query("t", "id < 0")).to_dicts() == []
    error = await fails(e.FilterError, client.query("t", "id == 'x'"))
    assert isinstance(error.details["column"], int)
    await fails(e.LimitExceeded, client.query("t", limit=100_001), "100000")
    await fails(e.LimitExceeded, client.query("t", offset=-1))
    await fails(e.FieldNotFound, client.query("t", "", ["none"]))
    await fails(e.LimitExceeded, client.query("t", "x" * (1 << 20)))


@CHECKS.covers("count")
async def _count(client: Client) -> None:
    await filled(client)
    assert await client.count("t") == 10
    assert await client.count("t", "id >= 4") == 6
    await fails(e.FilterError, client.count("t", "none == 1"), "none")
    await fails(e.TableNotFound, client.count("u"))


@CHECKS.covers("search")
async def _search(client: Client) -> None:
    await filled(client)
    await fails(e.IndexNotFound, client.search("t", [1, 1, 1, 1]))
    await client.create_index("t", "ix", "v", type="FLAT")
    await fails(e.WrongState, client.search("t", [1, 1, 1, 1]))
    await client.activate_index("t", "ix")
    found = await client.search("t", np.array([[1, 1, 1, 1.1], [8, 8, 8, 8]]), 3, output_fields=["word"])
    assert isinstance(found, SearchResult)
    assert isinstance(found[0], Hits)
    assert (len(found), found.counts.tolist(), found[0].ids.tolist()[:1]) == (2, [3, 3], [1])
    assert found[1].scores.tolist() == [0.0, 4.0, 4.0]
    assert (found[1][0].id, found[1][0].score, found[1][0].fields["word"]) == (8, 0.0, "w2")
    assert [hit.id for hit in (await client.search("t", [0, 0, 0, 0], 20, filter="word == 'w1'"))[0]] == [1, 4, 7]
    assert (await client.search("t", [0, 0, 0, 0], 1, index="ix", field="v")).ids.tolist() == [0]
    assert (await client.search("t", [0, 0, 0, 0], 3, offset=2)).ids.tolist() == [2, 3, 4]
    assert (await client.search("t", [0, 0, 0, 0], 3, radius=4.0)).ids.tolist() == [0, 1]
    groups = await client.search("t", [0, 0, 0, 0], 2, group_by="word", group_size=2)
    assert [(hit.id, hit.fields["word"]) for hit in groups[0]] == [(0, "w0"), (3, "w0"), (1, "w1"), (4, "w1")]
    for k in (0, -1, 10_001):
        await fails(e.LimitExceeded, client.search("t", [0, 0, 0, 0], k), "10000")
    await fails(e.InvalidVector, client.search("t", [0, 0, 0]), "4")
    await fails(e.InvalidVector, client.search("t", [0, 0, 0, np.inf]))
    await fails(e.TypeMismatch, client.search("t", "abcd"))
    await fails(e.TypeMismatch, client.search("t", np.zeros((1, 2, 2))))
    await fails(e.FilterError, client.search("t", [0, 0, 0, 0], filter="(id"))
    await fails(e.FieldNotFound, client.search("t", [0, 0, 0, 0], output_fields=["none"]))
    await fails(e.IndexNotFound, client.search("t", [0, 0, 0, 0], index="none"))


@CHECKS.covers("hybrid_search")
async def _hybrid_search(client: Client) -> None:
    await filled(client, indexed=True)
    searches = [PartialSearch([[3.1] * 4, [9.0] * 4], 3, field="v", index="ix"), PartialSearch(np.full((2, 4), 4.1), 2, weight=0.5)]
    found = await client.hybrid_search("t", searches, 3, output_fields=["word"])
    assert isinstance(found, SearchResult)
    assert found.counts.tolist() == [3, 3]
    assert [(hit.id, hit.fields["word"]) for hit in found[0]] == [(4, "w1"), (3, "w0"), (2, "w2")]
    assert found[0].scores.tolist() == pytest.approx([1 / 62 + 0.5 / 61, 1 / 61, 1 / 63])
    assert (await client.hybrid_search("t", searches, 3, offset=3)).counts.tolist() == [1, 2]
    weighted = await client.hybrid_search("t", searches, 1, fusion="weighted", filter="id >= 4")
    assert weighted[0].scores.tolist() == pytest.approx([(1 / 4.24 + 0.5 / 1.04) / 1.5], abs=1e-4)
    relative = await client.hybrid_search("t", [PartialSearch([0, 0, 0, 0], 3, radius=4.5, filter="id > 0")], fusion="relative")
    assert [(hit.id, hit.score) for hit in relative[0]] == [(1, 1.0)]
    assert (await client.hybrid_search("t", searches, rank_constant=0.0)).scores[0] == pytest.approx(1.0)
    await fails(e.FieldNotFound, client.hybrid_search("t", [searches[0], PartialSearch([[0], [0]], field="none")]), "searches[1]", "'none'")
    await fails(e.Rejected, client.hybrid_search("t", [searches[0], PartialSearch([0, 0, 0, 0])]), "searches[1] has 1 queries")
    await fails(e.BadRequest, client.hybrid_search("t", searches, fusion="mean"), "mean")
    await fails(e.LimitExceeded, client.hybrid_search("t", []), "16")
    await fails(e.TypeMismatch, client.hybrid_search("t", [PartialSearch("abcd")]))


async def pages(iterator: Any) -> list[Any]:
    """What either client iterates over."""
    if hasattr(iterator, "__aiter__"):
        return [page async for page in iterator]
    return list(await iterator)


@CHECKS.covers("query_iter")
async def _query_iter(client: Client) -> None:
    await filled(client)
    found = await pages(client.query_iter("t", "id != 4", ["id"], page_size=4))
    assert all(isinstance(page, Rows) for page in found)
    assert [[row["id"] for row in page] for page in found] == [[0, 1, 2, 3], [5, 6, 7, 8], [9]]
    assert [len(page) for page in await pages(client.query_iter("t"))] == [10]
    assert await pages(client.query_iter("t", "id < 0")) == []
    await fails(e.FilterError, pages(client.query_iter("t", "id <")))
    await fails(e.LimitExceeded, pages(client.query_iter("t", page_size=100_001)))


@CHECKS.covers("search_iter")
async def _search_iter(client: Client) -> None:
    await filled(client, indexed=True)
    found = await pages(client.search_iter("t", [0, 0, 0, 0], 4, output_fields=["word"], params={"recall": 0.9}))
    assert all(isinstance(page, Hits) for page in found)
    assert [page.ids.tolist() for page in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert (found[2][1].id, found[2][1].score, found[2][1].fields["word"]) == (9, 324.0, "w0")
    near = await pages(client.search_iter("t", [0, 0, 0, 0], 2, filter="id != 1", radius=40, field="v", index="ix"))
    assert [page.ids.tolist() for page in near] == [[0, 2], [3]]
    assert await pages(client.search_iter("t", [0, 0, 0, 0], filter="id < 0")) == []
    await fails(e.LimitExceeded, pages(client.search_iter("t", [[0] * 4, [1] * 4])), "one query")
    await fails(e.InvalidVector, pages(client.search_iter("t", [0, 0])))


@CHECKS.covers("multi_search")
async def _multi_search(client: Client) -> None:
    await filled(client, indexed=True)
    await client.create_table("t2", [Field("id", "int64", primary_key=True), Field("v", "float_vector", dimension=4)])
    await client.insert("t2", {"id": [50], "v": [[1.4] * 4]})
    await client.create_index("t2", "ix", "v", type="FLAT")
    await client.activate_index("t2", "ix")
    found = await client.multi_search("t*", [[1.0] * 4, [9.0] * 4], 2, output_fields=["id", "word"])
    assert isinstance(found, MultiSearchResult)
    assert (len(found), found.counts.tolist(), found.column("id").tolist()) == (2, [2, 2], [1, 50, 9, 8])
    first, second = found[0]
    assert isinstance(first, FoundRow)
    assert (first.score, first.fields, second.fields) == (0.0, {"id": 1, "word": "w1"}, {"id": 50, "word": None})
    assert [row.table.partition("@")[0] for row in found[0]] == [f"{client.database}#t", f"{client.database}#t2"]
    assert found[-1] == found[1] == found[0:2][1]
    assert [row.fields["id"] for row in (await client.multi_search("t,t2", [1] * 4, 5, offset=1, radius=1.0))[0]] == [50]
    assert (await client.multi_search("t*", [1] * 4, filter="id > 60")).counts.tolist() == [0]
    with pytest.raises(IndexError):
        found[2]
    await fails(e.TableNotFound, client.multi_search("x*", [1] * 4))
    await fails(e.FieldNotFound, client.multi_search("t*", [1] * 4, output_fields=["none"]))


@CHECKS.covers("distance")
async def _distance(client: Client) -> None:
    await filled(client)
    found = await client.distance([[0, 0, 0, 0], [1, 1, 1, 1]], StoredVectors("t", [2, 1, 0]))
    assert found.dtype == np.float32
    assert found.tolist() == [[16, 4, 0], [4, 0, 4]]
    assert (await client.distance(StoredVectors("t", [1], "v"), [[1, 2, 3, 4]], "ip")).tolist() == [[10]]
    bits = np.array([[7], [3]], np.uint8)
    assert (await client.distance(bits, bits, "hamming")).tolist() == [[0, 1], [1, 0]]
    words = SparseVectors.of([{3: 2.0}])
    assert (await client.distance(words, words, "ip")).tolist() == [[4]]
    await fails(e.NotFound, client.distance([[0] * 4], StoredVectors("t", [77])), "77")
    await fails(e.InvalidVector, client.distance([[0] * 4], [[0] * 3]))
    await fails(e.Rejected, client.distance([[0] * 4], [[0] * 4], "manhattan"), "l2")


@pytest.mark.parametrize("method", CHECKS.each())
async def test_method(both: Client, method: str) -> None:
    await CHECKS[method](both)


def test_every_method_has_a_check() -> None:
    assert not CHECKS.missing()
