"""Copies from another server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hippod.engine.engine import Engine
from hippod.engine.operations import CopyByQuery, CreateTable, Query, RemoteSource
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import Rejected
from hippod.net.rest import remote
from hippod.net.rest.remote import RestReader
from tests.rest.stand_in import StandIn, serving
from tests.unit.engine.harness import cells, opened, run

HERE = Schema(
    fields=(
        Field("id", DataType.STRING, primary_key=True),
        Field("day", DataType.DATE, nullable=True),
        Field("tags", DataType.ARRAY, element_type=DataType.STRING, nullable=True),
        Field("v", DataType.FLOAT_VECTOR, dimension=2),
    )
)
THERE = [
    {"name": "id", "is_primary_key": True, "data_type": "String"},
    {"name": "day", "is_primary_key": False, "data_type": "date", "type_params": {}},
    {"name": "tags", "is_primary_key": False, "data_type": "array", "type_params": {"element_type": "string"}},
    {"name": "v", "is_primary_key": False, "data_type": "float_vector", "type_params": {"dimension": 2}},
]


def far_rows(count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"it's {i:03}", "day": None if i % 3 else "2024-05-31", "tags": ["a"] * (i % 3), "v": [float(i), 1.0]} for i in range(count)
    ]


@pytest.fixture
def far() -> Iterator[StandIn]:
    with serving(StandIn(THERE, far_rows(25))) as made:
        yield made


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        engine.remote = RestReader()
        await run(engine, CreateTable("near", HERE))
        yield engine


def copy(far: StandIn, **changes: Any) -> CopyByQuery:
    source = RemoteSource(["127.0.0.1:1", far.host], "u", "p")
    return CopyByQuery(**{"table": "far", "to_table": "near", "remote": source, **changes})


async def test_rows_are_read_page_by_page_in_the_order_of_the_key(engine: Engine, far: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_PAGE_ROWS", 10)
    job = await run(engine, copy(far, filter="day is null or day > '2000-01-01'"))
    assert (job.status, job.rows) == ("succeeded", 25)
    here = await run(engine, Query("near", "", ["id", "day", "tags", "v"]))
    assert cells(here.columns, "id") == [row["id"] for row in far.rows]
    assert cells(here.columns, "tags") == [row["tags"] for row in far.rows]
    assert cells(here.columns, "v") == [row["v"] for row in far.rows]
    assert [day is None for day in cells(here.columns, "day")] == [row["day"] is None for row in far.rows]
    assert [body["limit"] for body in far.asked] == [10, 10, 10]
    assert far.asked[0]["expr"] == "day is null or day > '2000-01-01'"
    assert far.asked[1]["expr"] == "(day is null or day > '2000-01-01') and id > 'it\\'s 009'"


async def test_some_fields_may_be_copied_without_the_key_of_the_other_table(engine: Engine, far: StandIn) -> None:
    far.fields = [*THERE, {"name": "n", "is_primary_key": False, "data_type": "int32"}]
    far.rows = [{**row, "n": i} for i, row in enumerate(far_rows(3))]
    schema = Schema(fields=(Field("n", DataType.INT64, primary_key=True), Field("w", DataType.FLOAT_VECTOR, dimension=2)))
    await run(engine, CreateTable("numbers", schema))
    assert (await run(engine, copy(far, to_table="numbers", fields=["n", "v"], to_fields=["n", "w"]))).rows == 3
    assert cells((await run(engine, Query("numbers", "", ["n", "w"]))).columns, "w") == [[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/far", {}, "no table 'far'"),
        ("/far", {"far": {"schema": {"fields": [{**THERE[0], "data_type": "cube"}]}}}, "unknown type 'cube'"),
        ("/far", {"far": {"schema": {"fields": THERE[1:]}}}, "no single int or string key"),
        ("/far", {"far": 1}, "no answer of Hippo"),
        ("/_query", {"fields_data": []}, "without all of its fields"),
        ("/_query", {"fields_data": [{"field_name": f["name"], "field_values": [1, 2]} for f in THERE]}, "none of string"),
    ],
)
async def test_what_is_no_answer_ends_the_copy(engine: Engine, far: StandIn, path: str, answer: Any, words: str) -> None:
    far.spoil = lambda asked, good: answer if asked.endswith(path) else good
    with pytest.raises(Rejected, match=words):
        await run(engine, copy(far))


async def test_a_server_that_refuses_or_mixes_its_rows_is_named(engine: Engine, far: StandIn) -> None:
    with pytest.raises(Rejected, match="no host of the other server answers"):
        await run(engine, copy(far, remote=RemoteSource(["127.0.0.1:1"], "u", "p")))
    with pytest.raises(Rejected, match="no field 'none'"):
        await run(engine, copy(far, fields=["id", "none", "v"], to_fields=["id", "day", "v"]))
    far.rows.reverse()
    with pytest.raises(Rejected, match="order of the key"):
        await run(engine, copy(far))
    far.user = "u:other"
    with pytest.raises(Rejected, match="refuses with 401: wrong user or password"):
        await run(engine, copy(far))
