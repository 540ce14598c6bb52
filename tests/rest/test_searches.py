"""What a search over REST takes beyond Hippo's own keys, hybrid searches, and the recall of an index."""

from __future__ import annotations

from typing import Any

import pytest

from hippod_client import DataType, Field
from hippod_client.sync import Client
from tests.rest.harness import Rest


@pytest.fixture
def table(rest: Rest, client: Client) -> str:
    """Rows 0 to 9 at (i, 1), three colours in turn; their bits are those of i, their words 1 and 1 + i."""
    fields = [
        Field("id", DataType.INT64, primary_key=True),
        Field("colour", DataType.VARCHAR, max_length=10),
        Field("v", DataType.FLOAT_VECTOR, dimension=2),
        Field("b", DataType.BINARY_VECTOR, dimension=8),
        Field("s", DataType.SPARSE_FLOAT_VECTOR),
    ]
    client.create_table("t", fields)
    ids = list(range(10))
    rows = {
        "id": ids,
        "colour": [("red", "green", "blue")[i % 3] for i in ids],
        "v": [[i, 1] for i in ids],
        "b": [bytes([i]) for i in ids],
        "s": [{1: 1.0, 2 + i: 2.0} for i in ids],
    }
    client.insert("t", rows)
    for field, kind, metric in (("v", "FLAT", "l2"), ("b", "BIN_FLAT", "hamming"), ("s", "SPARSE_HNSW", "ip")):
        client.create_index("t", f"on_{field}", field, type=kind, metric=metric)
        client.activate_index("t", f"on_{field}")
    return rest.table("/t/_search")


def ids(answer: Any, query: int = 0) -> list[int]:
    data = {field["field_name"]: field["field_values"] for field in answer["results"][query]["fields_data"]}
    found: list[int] = data["id"]
    return found


def params(field: str = "v", topk: int = 3, **others: Any) -> dict[str, Any]:
    return {"anns_field": field, "topk": topk, **others}


def test_an_offset_and_a_radius_bound_what_is_found(rest: Rest, table: str) -> None:
    body = {"vectors": [[0, 1]], "output_fields": ["id"]}
    assert ids(rest.ok("GET", table, {**body, "search_params": params(offset=2)})) == [2, 3, 4]
    assert ids(rest.ok("GET", table, {**body, "search_params": params(topk=9, radius=4)})) == [0, 1, 2]
    assert ids(rest.ok("GET", table, {**body, "search_params": params(offset="1", radius="1.5")})) == [1]
    assert "offset is 0 or more" in rest("GET", table, {**body, "search_params": params(offset=-1)}).reason


def test_groups_come_with_the_field_that_they_are_of(rest: Rest, table: str) -> None:
    grouped = params(topk=2, group_by="colour", group_size=2)
    answer = rest.ok("GET", table, {"vectors": [[0, 1]], "output_fields": ["id"], "search_params": grouped})
    assert answer["results"][0]["fields_data"] == [
        {"field_name": "id", "field_values": [0, 3, 1, 4]},
        {"field_name": "colour", "field_values": ["red", "red", "green", "green"]},
    ]
    body = {"vectors": [[0, 1]], "output_fields": ["colour", "id"], "search_params": params(topk=1, group_by="colour", offset=2)}
    assert [field["field_name"] for field in rest.ok("POST", table, body)["results"][0]["fields_data"]] == ["colour", "id"]
    refused = rest("GET", table, {"vectors": [[0, 1]], "search_params": params(group_by="colour", group_size=101)})
    assert "group_size is from 1 to 100" in refused.reason
    assert "group_size" in rest("GET", table, {"vectors": [[0, 1]], "search_params": params(group_size=0)}).reason


def test_a_promised_recall_takes_the_place_of_nprobe(rest: Rest, table: str) -> None:
    body = {"vectors": [[0, 1]], "output_fields": ["id"]}
    assert ids(rest.ok("GET", table, {**body, "search_params": params(params={"recall": 0.9})})) == [0, 1, 2]
    assert "recall" in rest("GET", table, {**body, "search_params": params(params={"recall": 3})}).reason


def test_how_the_recall_of_an_index_was_measured_can_be_read(rest: Rest, table: str) -> None:
    path = rest.table("/t/_embedding_index_recall")
    assert rest.ok("GET", path, {"index_name": "on_v"}) == {"measuring": "", "curves": [], "audited": []}
    assert rest("GET", path, {"index_name": "none"}).status == 404


def test_a_search_over_several_tables_has_an_offset_and_a_radius(rest: Rest, table: str) -> None:
    path = rest.table("/t*/_multi_search")
    body = {"vectors": [[0, 1]], "output_fields": ["id"]}
    assert ids(rest.ok("GET", path, {**body, "search_params": params(offset=2)})) == [2, 3, 4]
    assert ids(rest.ok("GET", path, {**body, "search_params": params(topk=9, radius=4, offset=1)})) == [1, 2]
    assert "group_by" in rest("GET", path, {**body, "search_params": params(group_by="colour")}).reason
    assert "offset + k" in rest("GET", path, {**body, "search_params": params(offset=9_999)}).reason


def test_searches_of_all_kinds_are_fused(rest: Rest, table: str) -> None:
    path = rest.table("/t/_hybrid_search")
    searches: list[dict[str, Any]] = [
        {"vectors": [[4, 1]], "search_params": params(topk=3)},
        {"binary_vectors": [[5]], "search_params": params("b", 1)},
        {"sparse_vectors": [{"7": 1.0}], "search_params": params("s", 1), "weight": 2},
    ]
    body = {"searches": searches, "output_fields": ["id", "colour"], "round_decimal": 5, "limit": 2}
    answer = rest.ok("GET", path, body)
    assert (answer["num_queries"], answer["top_k"]) == (1, 2)
    assert ids(answer) == [5, 4]
    assert answer["results"][0]["scores"][1] == round(1 / 61, 5)
    assert ids(rest.ok("POST", path, {**body, "offset": 2, "limit": 9})) == [3]
    assert ids(rest.ok("GET", path, {**body, "fusion": "Weighted", "dsl": "id < 3", "limit": 1})) == [2]
    explained = rest.ok("GET", path, {**body, "only_explain": True})
    assert [plan["index"] for plan in explained["explain"]] == ["on_v", "on_b", "on_s"]
    assert len(rest.ok("GET", path, {**body, "with_profile": True})["profile"]) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fusion": "mean"}, "rrf, weighted, relative"),
        ({"searches": []}, "1 to 16 searches"),
        ({"searches": [{"vectors": [[1, 1]], "search_params": params(offset=1)}]}, "offset"),
        ({"searches": [{"search_params": params()}]}, "0 of them are given"),
        ({"searches": [{"vectors": [[1, 1]], "search_params": params("none")}]}, "none"),
        ({"searches": [{"vectors": [[1, 1]], "search_params": params(topk=0)}]}, "searches[0]: k is from 1"),
        ({"rank_constant": -1}, "rank_constant is from 0"),
        ({"round_decimal": 99}, "round_decimal"),
    ],
)
def test_what_a_hybrid_search_cannot_be_is_refused(rest: Rest, table: str, changes: dict[str, Any], said: str) -> None:
    body = {"searches": [{"vectors": [[1, 1]], "search_params": params()}], **changes}
    reply = rest("GET", rest.table("/t/_hybrid_search"), body)
    assert reply.status in (400, 404)
    assert said in reply.reason


def all_ids(rest: Rest, path: str, body: dict[str, Any]) -> list[list[int]]:
    """The ids of all pages of a list."""
    pages: list[list[int]] = []
    answer: dict[str, Any] = {"next": None}
    while "next" in answer:
        answer = rest.ok("GET", path, {**body, "after": answer["next"]})
        pages += [data["field_values"] for data in answer["fields_data"] if data["field_name"] == "id"]
    return pages


def test_a_query_comes_page_by_page(rest: Rest, table: str) -> None:
    path = rest.table("/t/_query")
    assert all_ids(rest, path, {"output_fields": ["id", "colour"], "limit": 4}) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert "after is" in rest("GET", path, {"after": "x"}).reason


@pytest.mark.parametrize(
    "query", [{"vectors": [[0, 1]]}, {"binary_vectors": [[0]]}, {"sparse_vectors": [{"1": 1.0}]}], ids=["float", "binary", "sparse"]
)
def test_a_ranking_comes_page_by_page(rest: Rest, table: str, query: dict[str, Any]) -> None:
    field = {"vectors": "v", "binary_vectors": "b", "sparse_vectors": "s"}[next(iter(query))]
    path = rest.table("/t/_search_page")
    pages = all_ids(rest, path, {**query, "search_params": params(field, 4), "output_fields": ["id"]})
    assert [len(page) for page in pages] == [4, 4, 2]
    assert sorted(i for page in pages for i in page) == list(range(10))
    assert all_ids(rest, path, {**query, "search_params": params(field, 4), "dsl": "id < 3"}) == [[0, 1, 2]]


def test_pages_have_scores_and_end_at_the_radius(rest: Rest, table: str) -> None:
    body = {"vectors": [[0, 1]], "round_decimal": 1, "search_params": params(topk=2, radius=4)}
    first = rest.ok("POST", rest.table("/t/_search_page"), body)
    second = rest.ok("POST", rest.table("/t/_search_page"), {**body, "after": first["next"]})
    assert (first["scores"], second["scores"]) == ([0.0, 1.0], [4.0])
    assert "next" not in second
    assert "after is" in rest("GET", rest.table("/t/_search_page"), {**body, "after": "x"}).reason
