"""Bytes, JSON, and binary and sparse vectors over the REST API: written in every form, read back, and searched."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.rest.harness import Rest

FIELDS = [
    {"name": "id", "data_type": "int64", "is_primary_key": True},
    {"name": "blob", "data_type": "Blob"},
    {"name": "raw", "data_type": "binary", "type_params": {"length": 4}},
    {"name": "long", "data_type": "clob"},
    {"name": "json", "data_type": "json"},
    {"name": "bits", "data_type": "binary_vector", "type_params": {"dimension": 16}},
    {"name": "words", "data_type": "sparse_float_vector"},
]
CELLS: dict[str, list[Any]] = {
    "id": [1, 2, 3],
    "blob": [base64.b64encode(bytes(range(256))).decode(), None, ""],
    "raw": ["/w==", None, ""],
    "long": ["é" * 1_000, None, ""],
    "json": [{"b": [1, None], "a": "é"}, None, 1.5],
    "bits": [[255, 0], "0000000000000001", "AQM="],
    "words": [{"7": 0.5, "3": 2}, [[9, 1]], {"indices": [5, 3], "values": [1, -1.5]}],
}
READ = CELLS | {"bits": [[255, 0], [0, 1], [1, 3]], "words": [{"3": 2.0, "7": 0.5}, {"9": 1.0}, {"3": -1.5, "5": 1.0}]}


@pytest.fixture
def table(rest: Rest) -> Rest:
    rest.ok("PUT", rest.table("/t"), {"schema": {"fields": FIELDS}})
    rows = {"op_type": "insert", "num_rows": 3, "fields_data": [{"field_name": name, "field": cells} for name, cells in CELLS.items()]}
    rest.ok("PUT", rest.table("/t/_bulk"), rows)
    for name, field, kind, metric in (("b", "bits", "BIN_IVF", "HAMMING"), ("w", "words", "SPARSE_HNSW", "IP")):
        body = {"field_name": field, "index_name": name, "index_type": kind, "metric_type": metric, "params": {"nlist": 4}}
        rest.ok("PUT", rest.table("/t/_create_embedding_index"), body)
        rest.ok("POST", rest.table("/t/_activate_embedding_index"), {"index_name": name})
    return rest


def test_what_is_written_in_any_form_comes_back(table: Rest) -> None:
    found = table.ok("GET", table.table("/t/_query"), {"output_fields": list(CELLS), "expr": ""})
    assert {data["field_name"]: data["field_values"] for data in found["fields_data"]} == READ
    for field in ("blob", "raw", "long", "json"):
        assert table.ok("GET", table.table("/t/_count"), {"expr": f"{field} is null"})["total"] == 1


@pytest.mark.parametrize(
    ("queries", "field", "ids", "scores"),
    [
        ({"binary_vectors": [[0, 1]]}, "bits", [2, 3, 1], [0, 2, 9]),
        ({"binary_vectors": ["0000000000000001"]}, "bits", [2, 3, 1], [0, 2, 9]),
        ({"binary_vectors": ["AAE="]}, "bits", [2, 3, 1], [0, 2, 9]),
        ({"sparse_vectors": [{"3": 2, "5": 1}]}, "words", [1, 2, 3], [4, 0, -2]),
        ({"sparse_vectors": [[[5, 1], [3, 2]]]}, "words", [1, 2, 3], [4, 0, -2]),
        ({"sparse_vectors": [{"indices": [3, 5], "values": [2, 1]}]}, "words", [1, 2, 3], [4, 0, -2]),
    ],
)
def test_queries_may_have_every_form(table: Rest, queries: dict[str, Any], field: str, ids: list[int], scores: list[float]) -> None:
    body = {**queries, "output_fields": ["id", field], "search_params": {"anns_field": field, "topk": 3}}
    found = table.ok("GET", table.table("/t/_search"), body)
    (hits,) = found["results"]
    shown = {data["field_name"]: data["field_values"] for data in hits["fields_data"]}
    assert (shown["id"], hits["scores"]) == (ids, scores)
    assert shown[field] == [READ[field][row - 1] for row in ids]


@pytest.mark.parametrize(
    ("queries", "field", "words"),
    [
        ({}, "bits", "0 of them are given"),
        ({"vectors": [[1]], "binary_vectors": [[1]]}, "bits", "2 of them are given"),
        ({"vectors": [[0.5, 1]]}, "bits", "takes binary vectors"),
        ({"binary_vectors": [[0, 1]]}, "words", "takes sparse vectors"),
        ({"binary_vectors": [[0, 300]]}, "bits", "vector 0 of 'binary_vectors': a binary vector is a list of numbers from 0 to 255"),
        ({"sparse_vectors": [{"1": 1}, {"x": 1}]}, "words", "vector 1 of 'sparse_vectors': an index is"),
        ({"sparse_vectors": [[[3, 1], [3, 1]]]}, "words", "does not have ascending indices"),
    ],
)
def test_queries_that_do_not_fit_are_refused(table: Rest, queries: dict[str, Any], field: str, words: str) -> None:
    reply = table("GET", table.table("/t/_search"), {**queries, "search_params": {"anns_field": field, "topk": 3}})
    assert reply.status == 400
    assert words in reply.reason


def test_an_index_of_which_nothing_is_said_suits_its_field(table: Rest) -> None:
    for field in ("bits", "words"):
        table.ok("PUT", table.table("/t/_create_embedding_index"), {"field_name": field, "index_name": field})
        table.ok("POST", table.table("/t/_activate_embedding_index"), {"index_name": field})
        query = {"binary_vectors": [[0, 1]]} if field == "bits" else {"sparse_vectors": [{"9": 1}]}
        wanted = {"anns_field": field, "embedding_index": field, "topk": 1, "params": {"recall": 0.95}}
        found = table.ok("GET", table.table("/t/_search"), {**query, "output_fields": ["id"], "search_params": wanted})
        assert found["results"][0]["fields_data"][0]["field_values"] == [2]
    indexes = table.ok("GET", table.table("/t/_get_embedding_index"))["embedding_indexes"]
    shown = {index["name"]: (index["index_type"], index["metric_type"]) for index in indexes}
    assert (shown["bits"], shown["words"]) == (("AUTO", "hamming"), ("AUTO", "ip"))


@pytest.mark.parametrize(
    ("field", "given", "words"),
    [
        ("bits", {"index_type": "HNSW"}, "index type HNSW is not for field 'bits' of type binary_vector: it takes AUTO, BIN_FLAT, "),
        ("bits", {"index_type": "tree"}, "field 'bits' of type binary_vector takes AUTO, BIN_FLAT, BIN_IVF, BIN_HNSW"),
        ("bits", {"index_type": 3}, "index_type"),
        ("words", {"metric_type": "cosine"}, "metric cosine is not for field 'words' of type sparse_float_vector: it takes ip"),
        ("words", {"metric_type": []}, "metric_type"),
        ("bits", {"index_type": "BIN_IVF", "params": {"nlist": 0}}, "nlist is a whole number from 1 to 65536, not '0'"),
        ("bits", {"index_type": "BIN_HNSW", "params": {"M": "many"}}, "M is a whole number from 4 to 96, not 'many'"),
        ("long", {}, "'long' is of type clob, not a vector; vector fields of this table: bits, words"),
    ],
)
def test_an_index_that_cannot_be_is_refused_with_what_can(table: Rest, field: str, given: dict[str, Any], words: str) -> None:
    reply = table("PUT", table.table("/t/_create_embedding_index"), {"field_name": field, "index_name": "ix", **given})
    assert reply.status == 400
    assert words in reply.reason


@pytest.mark.parametrize(
    ("field", "cell", "words"),
    [("blob", "no base64!", "base64"), ("raw", "AAAAAAA=", "5 bytes, at most 4"), ("bits", "AA==", "2 bytes, not 1")],
)
def test_cells_that_do_not_fit_are_refused(table: Rest, field: str, cell: Any, words: str) -> None:
    row = {name: cells[0] for name, cells in CELLS.items()} | {"id": 9, field: cell}
    body = {"op_type": "insert", "num_rows": 1, "fields_data": [{"field_name": name, "field": [value]} for name, value in row.items()]}
    reply = table("PUT", table.table("/t/_bulk"), body)
    assert reply.status == 400
    assert words.lower() in reply.reason.lower()
