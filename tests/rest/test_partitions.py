"""Partitions over REST."""

from __future__ import annotations

from hippod_client.requests.base import Request, done
from hippod_client.sync import Client
from tests.rest.harness import Rest


def test_partitions_are_added_and_dropped(rest: Rest, client: Client) -> None:
    fields = [{"name": "id", "type": "int64", "primary_key": True}, {"name": "kind", "type": "string"}]
    partitioning = {"kind": "range", "fields": ["id"], "partitions": [{"name": "low", "bound": [10]}]}
    body = {"op": "create_table", "table": "t", "schema": {"fields": fields}, "partitioning": partitioning, "database": client.database}
    client._call(Request(body, done), 10.0)
    path = rest.table("/t/_partitions")
    added = {"partitions": [{"name": "high", "table_name": "t_high", "bound": [{"field": "id", "value": 20}]}]}
    assert rest.ok("PUT", path, added) == {"acknowledged": True}
    assert client.insert("t", {"id": [5, 15, 25], "kind": ["a", "b", "c"]}).count == 2
    assert rest("PUT", path, added).json["error"]["type"] == "already_exists"
    assert "one bound for each of id" in rest("PUT", path, {"partitions": [{"name": "x", "bound": []}]}).reason
    assert rest.ok("DELETE", path, {"partition_names": ["low"]}) == {"acknowledged": True}
    assert client.count("t") == 1
    gone = rest("DELETE", path, {"partition_names": ["low"]})
    assert (gone.status, gone.json["error"]["type"]) == (404, "partition_not_found")
    assert rest("PUT", rest.table("/none/_partitions"), added).status == 404
