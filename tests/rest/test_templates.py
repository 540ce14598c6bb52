"""Templates over REST."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hippod_client import DataType, Field
from hippod_client.sync import Client
from tests.rest.harness import Rest


@pytest.fixture
def name(rest: Rest) -> Iterator[str]:
    """Of the template and its tables: templates are of no database, so each test has its own."""
    yield rest.database
    rest("DELETE", f"/_template/{rest.database}")


def test_a_template_is_put_applied_shown_and_dropped(rest: Rest, client: Client, name: str) -> None:
    index = {"index_name": "i", "field_name": "v", "metric_type": "ip", "index_type": "HNSW", "params": {"M": 16}}
    body = {"patterns": [f"{name}*"], "order": 3, "shared_storage": False, "number_of_replicas": 2, "embedding_indexes": [index]}
    assert rest.ok("PUT", f"/_template/{name}?pretty", body) == {"acknowledged": True}
    shown = {"patterns": [f"{name}*"], "order": 3, "settings": {"number_of_replicas": 2}, "embedding_indexes": [index]}
    assert rest.ok("GET", f"/_template/{name}") == rest.ok("GET", f"/_template/{name}*") == {name: shown}
    assert rest.ok("GET", "/_template")[name] == shown
    table = f"{name}-1"
    client.create_table(table, [Field("id", DataType.INT64, primary_key=True), Field("v", DataType.FLOAT_VECTOR, dimension=2)])
    assert [(i.index, i.type, i.metric) for i in client.list_indexes(table)] == [("i", "HNSW", "ip")]
    assert rest.ok("GET", rest.table(f"/{table}/_settings"))[f"{rest.database}#{table}"]["number_of_replicas"] == 2
    assert rest.ok("DELETE", f"/_template/{name}") == {"acknowledged": True}
    for method in ("GET", "DELETE"):
        missing = rest(method, f"/_template/{name}")
        assert (missing.status, missing.json["error"]["type"]) == (404, "template_not_found")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "patterns"),
        ({"patterns": []}, "1 to 64 patterns"),
        ({"patterns": ["a"], "order": -1}, "order"),
        ({"patterns": ["a"], "settings": {"no_such": 1}}, "no_such"),
        ({"patterns": ["a"], "embedding_indexes": [{"index_name": "i"}]}, "field_name"),
    ],
)
def test_a_wrong_template_is_refused(rest: Rest, name: str, body: object, words: str) -> None:
    refused = rest("PUT", f"/_template/{name}", body)
    assert refused.status == 400
    assert words in refused.reason
