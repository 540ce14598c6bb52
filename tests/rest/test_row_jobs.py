"""Copies and deletes by a filter, and what looks after tables, over REST: all of them jobs."""

from __future__ import annotations

from typing import Any

import pytest

from hippod_client import DataType, Field
from hippod_client.sync import Client
from tests.rest.harness import Rest

FIELDS = [
    Field("id", DataType.INT64, primary_key=True),
    Field("word", DataType.STRING, nullable=True),
    Field("v", DataType.FLOAT_VECTOR, dimension=2),
]


@pytest.fixture
def books(client: Client) -> Client:
    """`books` with ten rows, and an empty `copy`."""
    for name in ("books", "copy"):
        client.create_table(name, FIELDS)
    client.insert("books", {"id": list(range(10)), "word": [None, "a"] * 5, "v": [[i, 1.0] for i in range(10)]})
    return client


def test_rows_that_match_are_copied(rest: Rest, books: Client) -> None:
    tables = {
        "source_table": {"table_name": "books", "database_name": rest.database, "remote_info": {}},
        "dest_table": {"table_name": "copy", "database_name": rest.database},
    }
    body = {**tables, "fields": ["id", "v"], "fields_projection": ["id", "v"], "expr": "id < 4", "op_type": "insert", "timeout": "2m"}
    answer = rest.ok("POST", "/_copy_by_query?pretty", {**body, "wait_for_completion": True})
    assert (answer["job_status"], answer["copied"], answer["task_results"][0]["status"]) == ("SHIVA_JOB_SUCCESS", 4, "TASK_SUCCESS")
    assert [row["word"] for row in books.query("copy", "", ["id", "word"])] == [None] * 4
    later = rest.ok("POST", "/_copy_by_query", {**body, "op_type": "upsert", "wait_for_completion": False})
    assert (later["job_status"], set(later)) == ("SHIVA_JOB_INVALID", {"job_id", "job_status"})
    assert "exists already" in rest("POST", "/_copy_by_query", body).reason
    swapped = {**tables, "fields": ["id", "word", "v"], "fields_projection": {"word": "none"}}
    assert "'none'" in rest("POST", "/_copy_by_query", swapped).reason
    assert "op_type" in rest("POST", "/_copy_by_query", {**tables, "op_type": "replace"}).reason
    assert "remote_info" in rest("POST", "/_copy_by_query", {**tables, "source_table": {"table_name": "x", "remote_info": {"a": 1}}}).reason


def test_rows_that_match_are_deleted(rest: Rest, books: Client) -> None:
    body = {"database_name": rest.database, "table_name": "books", "expr": "word == 'a'", "wait_for_completion": True, "timeout": "2m"}
    answer = rest.ok("POST", "/_delete_by_query?pretty", body)
    assert answer["job_status"] == "SHIVA_JOB_SUCCESS"
    assert books.count("books") == 5
    assert rest("POST", "/_delete_by_query", {**body, "expr": ""}).status == 400
    assert rest("POST", "/_delete_by_query", {**body, "table_name": "none"}).status == 404
    assert rest.ok("POST", "/_delete_by_query", {**body, "wait_for_completion": False})["job_status"] == "SHIVA_JOB_INVALID"


def test_statistics_come_in_the_order_of_the_schema(rest: Rest, books: Client) -> None:
    answer = rest.ok("POST", rest.table("/books/_analyze_db"), {"is_update": False, "columns": ["word", "id"], "timeout": "10m"})
    (task,) = answer["task_results"]
    assert answer["job_status"] == "SHIVA_JOB_SUCCESS"
    assert task["column statistics"] == [
        {"column_id": 0, "num_distinct_keys": 10, "num_keys": 10, "null_frequency": 0.0, "correlation": 1.0},
        {"column_id": 1, "num_distinct_keys": 1, "num_keys": 5, "null_frequency": 0.5, "correlation": 0.0},
    ]
    every = rest.ok("POST", rest.table("/books/_analyze_db"), {"columns": []})
    assert [column["column_id"] for column in every["task_results"][0]["column statistics"]] == [0, 1, 2]
    assert rest("POST", rest.table("/books/_analyze_db"), {"columns": ["none"]}).status == 400


@pytest.mark.parametrize("path", ["/books/_compact_db", "/books/_warmup_db"])
def test_tables_are_compacted_and_warmed_up(rest: Rest, books: Client, path: str) -> None:
    answer = rest.ok("POST", rest.table(path), {"wait_for_completion": True, "timeout": "10m"})
    assert (answer["job_status"], answer["task_results"][0]["status"]) == ("SHIVA_JOB_SUCCESS", "TASK_SUCCESS")
    assert "embedding_number" not in answer
    assert rest("POST", rest.table(path.replace("books", "none"))).status == 404


@pytest.mark.parametrize("path", ["/books_warmup_db", "/books_analyze_db"])
def test_who_does_not_wait_may_forget_the_slash(rest: Rest, books: Client, path: str) -> None:
    assert rest.ok("POST", rest.table(path), {"wait_for_completion": False})["job_status"] == "SHIVA_JOB_INVALID"


def test_caches_are_dropped(rest: Rest) -> None:
    assert rest.ok("POST", "/_drop_block_cache?pretty", '""') == {"acknowledged": True}
    assert rest.ok("POST", "/_drop_block_cache/node1?pretty&drop_index_block_cache=true") == {"acknowledged": True}


def test_scalar_indexes_are_made_and_dropped(rest: Rest, books: Client) -> None:
    made: dict[str, Any] = {"index_name": "s1", "field_names": ["word", "id"]}
    assert rest.ok("PUT", rest.table("/books/_create_scalar_index"), made) == {"acknowledged": True}
    assert rest("PUT", rest.table("/books/_create_scalar_index"), made).json["error"]["type"] == "already_exists"
    assert books.count("books", "word == 'a'") == 5
    dropped = {"index_name": "s1"}
    assert rest.ok("DELETE", rest.table("/books/_drop_scalar_index"), dropped) == {"acknowledged": True}
    assert rest("DELETE", rest.table("/books/_drop_scalar_index"), dropped).status == 404


def test_distances_between_given_and_stored_vectors(rest: Rest, books: Client) -> None:
    stored = {"database_name": rest.database, "table_name": "books", "field": "v", "primary_keys": [{"field_name": "id", "field": [1, 2]}]}
    given = {"float_vectors": [[1.0, 2.0]]}
    body = {"vectors_left": stored, "vectors_right": given, "params": {"metric_type": "l2"}}
    assert rest.ok("GET", "/_distance?pretty", body) == {"distances": [[1.0], [2.0]]}
    turned = {"vectors_left": given, "vectors_right": stored, "params": {"metric_type": "ip"}}
    assert rest.ok("POST", "/_distance", turned) == {"distances": [[3.0, 4.0]]}
    missing = {**stored, "primary_keys": [{"field_name": "id", "field": [77]}]}
    assert (refused := rest("GET", "/_distance", {**body, "vectors_left": missing})).status == 404
    assert refused.reason == "Primary key does not exist: 77"
    for side, words in (({}, "either"), ({**stored, **given}, "either"), ({"float_vectors": [[1], [1, 2]]}, "differ in length")):
        assert words in rest("GET", "/_distance", {**body, "vectors_left": side}).reason
    assert (
        "64 bits"
        in rest("GET", "/_distance", {**body, "vectors_left": {**stored, "primary_keys": [{"field_name": "id", "field": [2**70]}]}}).reason
    )


def test_plans_and_profiles_of_searches_and_queries(rest: Rest, books: Client) -> None:
    books.create_index("books", "ix", "v", type="FLAT")
    books.activate_index("books", "ix")
    search = {"output_fields": ["id"], "vectors": [[1.0, 1.0]], "search_params": {"anns_field": "v", "topk": 2}, "dsl": "id < 5"}
    plan = rest.ok("GET", rest.table("/books/_search"), {**search, "only_explain": True})
    assert (plan["num_queries"], plan["results"][0]["scores"], plan["explain"]["index"]) == (1, [], "ix")
    assert [(t["matches"], t["way"]) for t in plan["explain"]["tablets"]] == [(5, "among")]
    profile = rest.ok("GET", rest.table("/books/_search"), {**search, "with_profile": True})
    assert (profile["results"][0]["scores"], profile["profile"]["matches"]) == ([0.0, 1.0], 5)
    asked = {"output_fields": ["id"], "expr": "id < 5"}
    assert rest.ok("GET", rest.table("/books/_query"), {**asked, "only_explain": True})["explain"]["tablets"][0]["way"] == "scan"
    assert sorted(rest.ok("GET", rest.table("/books/_query"), {**asked, "with_profile": True})["profile"]["stages"]) == ["filter", "gather"]
    assert "explain" not in rest.ok("GET", rest.table("/books/_query"), asked)
