"""One search over several tables, over REST."""

from __future__ import annotations

import numpy as np

from hippod_client import DataType as ClientType
from hippod_client import Field
from hippod_client.sync import Client
from tests.rest.harness import Rest


def test_hits_of_all_tables_come_with_their_origin(rest: Rest, client: Client) -> None:
    for name, ids in (("t1", [0, 2, 4]), ("t2", [1, 3])):
        fields = [
            Field("id", ClientType.INT64, primary_key=True),
            Field("day", ClientType.DATE, nullable=True),
            Field("v", ClientType.FLOAT_VECTOR, dimension=2),
        ]
        client.create_table(name, fields)
        client.insert(name, {"id": ids, "v": [[i, 1.0] for i in ids], "day": np.array(ids, "datetime64[D]")})
        client.create_index(name, "ix", "v", type="FLAT")
        client.activate_index(name, "ix")
    body = {"output_fields": ["id", "day"], "vectors": [[1.1, 1.0], [9, 1]], "round_decimal": 2, "only_explain": False}
    search = {**body, "search_params": {"anns_field": "v", "topk": 2, "params": {"nprobe": 4, "ef": None}}}
    answer = rest.ok("GET", rest.table("/t*/_multi_search"), search)
    assert (answer["num_queries"], answer["top_k"]) == (2, 2)
    first, second = answer["results"]
    assert first["fields_data"] == [
        {"field_name": "id", "field_values": [1, 2]},
        {"field_name": "day", "field_values": ["1970-01-02", "1970-01-03"]},
    ]
    assert first["scores"] == [0.01, 0.81]
    assert [label.split("@")[0] for label in first["tables"]] == [f"{rest.database}#t2", f"{rest.database}#t1"]
    assert all(len(label.split("@")[1]) == 32 for label in first["tables"])
    assert (second["query"], second["fields_data"][0]["field_values"]) == (1, [4, 3])
    nothing = rest.ok("POST", rest.table("/t1,t2/_multi_search"), {**search, "dsl": "id > 100"})
    assert nothing["results"][0] == {
        "query": 0,
        "fields_data": [{"field_name": "id", "field_values": []}, {"field_name": "day", "field_values": []}],
        "scores": [],
        "tables": [],
    }
    assert rest("GET", rest.table("/x*/_multi_search"), search).status == 404
    assert "differ in length" in rest("GET", rest.table("/t1/_multi_search"), {**search, "vectors": [[1], [1, 2]]}).reason
    assert "explained" in rest("GET", rest.table("/t1/_multi_search"), {**search, "only_explain": True}).reason
