"""Columns are added, dropped and renamed over REST."""

from __future__ import annotations

from typing import Any

import pytest
from transwarp_hippo_api.hippo_client import HippoField
from transwarp_hippo_api.hippo_type import HippoType

from hippod_client import DataType, Field
from hippod_client.sync import Client
from tests.rest.harness import Rest
from tests.rest.hippo import hippo_table

SCALARS = [
    HippoType(name)
    for name in ("int8", "int16", "int32", "int64", "float", "double", "bool", "string", "date", "timestamp", "datetime", "time")
]


@pytest.fixture(autouse=True)
def book(client: Client) -> None:
    fields = [Field("id", DataType.INT64, primary_key=True), Field("a", DataType.INT32, nullable=True), Field("b", DataType.STRING)]
    client.create_table("book", fields)
    client.insert("book", {"id": [1, 2], "a": [10, 20], "b": ["x", "y"]})


def column(name: str, kind: str, **others: Any) -> dict[str, Any]:
    return {"name": name, "is_primary_key": False, "data_type": kind, "type_params": {}, **others}


def fields_of(client: Client) -> list[Field]:
    return list(client.describe_table("book").fields)


def test_the_client_adds_renames_and_deletes_columns(rest: Rest, client: Client) -> None:
    table = hippo_table(rest, "book")
    every = [HippoField(f"f_{kind.value}", False, kind) for kind in SCALARS]
    assert table.add_columns([*every, HippoField("text", False, HippoType.VARCHAR, {"length": 9})]) is True
    assert [str(field.type) for field in fields_of(client)[3:]] == [*(kind.value for kind in SCALARS), "varchar"]
    assert table.rename_columns([{"text": "words"}, {"a": "text"}]) is True
    assert client.count("book", "words is null and text >= 10") == 2
    assert table.delete_columns(["words", *(field.name for field in every)]) is True
    assert [field.name for field in fields_of(client)] == ["id", "text", "b"]
    with pytest.raises(ValueError, match="declared twice"):
        table.add_columns([HippoField("b", False, HippoType.INT8)])
    with pytest.raises(ValueError, match="primary key"):
        table.delete_columns(["id"])
    with pytest.raises(ValueError, match="no field 'nope'"):
        table.rename_columns([{"nope": "x"}])


def test_added_columns_are_null_in_rows_that_exist_or_have_their_default(rest: Rest, client: Client) -> None:
    added = [
        column("big", "BigInt"),
        column("text", "varchar", type_params={"length": "20"}),
        column("rate", "double", type_params={"nullable": False, "default": 1.5}),
        column("tags", "array", type_params={"element_type": "String", "max_capacity": 3}),
    ]
    assert rest.ok("POST", rest.table("/book/_add_columns") + "&pretty", {"fields": added}) == {"acknowledged": True}
    expected = [
        Field("big", DataType.INT64, nullable=True),
        Field("text", DataType.VARCHAR, nullable=True, max_length=20),
        Field("rate", DataType.DOUBLE, default=1.5),
        Field("tags", DataType.ARRAY, nullable=True, element_type=DataType.STRING, max_capacity=3),
    ]
    assert fields_of(client)[3:] == expected
    rows = client.query("book", output_fields=["id", "big", "rate"])
    assert [(row["id"], row["big"], row["rate"]) for row in rows] == [(1, None, 1.5), (2, None, 1.5)]
    assert client.count("book", "big is null and text is null and tags is null") == 2


def test_dropped_columns_are_gone(rest: Rest, client: Client) -> None:
    assert rest.ok("POST", rest.table("/book/_drop_columns"), {"fields": ["a", "b"]}) == {"acknowledged": True}
    assert [field.name for field in fields_of(client)] == ["id"]


@pytest.mark.parametrize(
    "renaming",
    [
        [{"a": "b"}, {"b": "a"}],
        [{"a": "b", "b": "a"}],
        [{"old_name": "a", "new_name": "b"}, {"new_field_name": "a", "field_name": "b"}],
    ],
)
def test_columns_are_renamed_in_every_form_also_for_one_another(rest: Rest, client: Client, renaming: list[dict[str, str]]) -> None:
    assert rest.ok("POST", rest.table("/book/_rename_columns"), {"fields_renaming": renaming}) == {"acknowledged": True}
    assert [field.name for field in fields_of(client)] == ["id", "b", "a"]
    assert client.count("book", "b == 10 and a == 'x'") == 1


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("_add_columns", {"fields": [column("k", "int64", is_primary_key=True)]}, "primary key"),
        ("_add_columns", {"fields": [column("v", "float_vector", type_params={"dim": 4})]}, "neither a vector"),
        ("_add_columns", {"fields": [column("x", "decimal")]}, "no data type 'decimal'"),
        ("_add_columns", {"fields": [column("x", "int8", type_params={"nullable": False})]}, "needs a default"),
        ("_add_columns", {"fields": [column("x", "varchar", type_params={"length": 0})]}, "max_length"),
        ("_add_columns", {"fields": [{"data_type": "int8"}]}, "`name`"),
        ("_drop_columns", {"fields": ["id"]}, "primary key"),
        ("_drop_columns", {"fields": ["nope"]}, "no field 'nope'"),
        ("_drop_columns", {"fields": []}, "one name or more"),
        ("_rename_columns", {"fields_renaming": [{"a": "b"}]}, "declared twice"),
        ("_rename_columns", {"fields_renaming": [{"a": "c"}, {"a": "d"}]}, "renamed twice"),
        ("_rename_columns", {"fields_renaming": []}, "one name or more"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(rest: Rest, client: Client, path: str, body: object, words: str) -> None:
    before = fields_of(client)
    refused = rest("POST", rest.table(f"/book/{path}"), body)
    assert refused.status == 400
    assert words in refused.reason
    assert fields_of(client) == before
