"""Templates give new tables settings and indexes by their names; the higher order holds, and the request over all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hippod.engine.engine import Engine
from hippod.engine.operations import (
    ActivateIndex,
    CreateTable,
    DescribeTable,
    DropTemplate,
    ListTables,
    ListTemplates,
    PutTemplate,
    Search,
    TemplateIndex,
    TemplateInfo,
)
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import FieldNotFound, HippodError, InvalidName, LimitExceeded, Rejected, TemplateNotFound
from tests.unit.engine.harness import BOOKS, cells, crash_copy, make_books, opened, run, vectors

FLAT = TemplateIndex("by_v", "v", type="flat", metric="COSINE")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        yield engine


async def created(engine: Engine, table: str, **others: Any) -> Any:
    await run(engine, CreateTable(table, BOOKS, **others))
    return await run(engine, DescribeTable(table))


async def test_a_new_table_gets_what_the_template_of_its_name_says(engine: Engine) -> None:
    await make_books(engine, 2)
    await run(engine, PutTemplate("t", ["bo*", "x"], settings={"number_of_replicas": 3, "tag": None}, indexes=[FLAT]))
    table = await created(engine, "boats")
    assert table.settings["number_of_replicas"] == 3
    assert [(i.index, i.field, i.type, i.metric, i.state) for i in table.indexes] == [("by_v", "v", "FLAT", "cosine", "created")]
    for other in (await created(engine, "cars"), await run(engine, DescribeTable("books"))):
        assert (other.settings["number_of_replicas"], other.indexes) == (1, [])


async def test_an_index_of_a_template_can_be_activated_and_searched(engine: Engine) -> None:
    await run(engine, PutTemplate("t", ["books"], indexes=[FLAT]))
    await make_books(engine, 4)
    await run(engine, ActivateIndex("books", "by_v"))
    assert cells((await run(engine, Search("books", vectors([9, 1, 0, 0]), 1))).columns, "id") == [3]


async def test_the_highest_order_holds_and_what_the_request_says_holds_over_all(engine: Engine) -> None:
    hnsw = TemplateIndex("by_v", "v", type="HNSW")
    await run(engine, PutTemplate("a", ["*"], 7, {"tag": "seven", "data_center": "east"}, [hnsw]))
    await run(engine, PutTemplate("b", ["t*"], 5, {"tag": "five", "number_of_replicas": 2}, [FLAT, TemplateIndex("more", "v")]))
    table = await created(engine, "t1")
    assert [table.settings[name] for name in ("tag", "data_center", "number_of_replicas")] == ["seven", "east", 2]
    assert sorted((i.index, i.type) for i in table.indexes) == [("by_v", "HNSW"), ("more", "AUTO")]
    assert (await created(engine, "t2", settings={"tag": "mine"})).settings["tag"] == "mine"
    await run(engine, PutTemplate("c", ["t*"], 7, {"tag": "also seven"}))
    assert (await created(engine, "t3")).settings["tag"] == "also seven"


async def test_templates_are_listed_replaced_and_dropped_and_outlive_a_crash(engine: Engine) -> None:
    await run(engine, PutTemplate("one", ["x"], 2))
    await run(engine, PutTemplate("two", ["y,z*"], 1, {"tag": "t"}, [FLAT]))
    two = TemplateInfo("two", ["y", "z*"], 1, {"tag": "t"}, [FLAT])
    async with opened(crash_copy(engine.directory.path)) as again:
        assert (await run(again, ListTemplates())).templates == [two, TemplateInfo("one", ["x"], 2, {}, [])]
    await run(engine, PutTemplate("one", ["w"]))
    assert (await run(engine, ListTemplates("o*"))).templates == [TemplateInfo("one", ["w"], 0, {}, [])]
    await run(engine, DropTemplate("one"))
    assert (await run(engine, ListTemplates())).templates == [two]
    for operation in (ListTemplates("one"), DropTemplate("one")):
        with pytest.raises(TemplateNotFound):
            await run(engine, operation)


async def test_a_table_that_lacks_the_field_of_an_index_is_not_created(engine: Engine) -> None:
    await run(engine, PutTemplate("t", ["*"], indexes=[TemplateIndex("i", "embedding")]))
    with pytest.raises(FieldNotFound, match="template 't' gives table 'books' the index 'i'"):
        await run(engine, CreateTable("books", BOOKS))
    await run(engine, PutTemplate("t", ["*"], indexes=[TemplateIndex("i", "v", params={"nprobe": -1})]))
    with pytest.raises(Rejected, match="template 't' gives table 'books' the index 'i': nprobe is a whole number from 1"):
        await run(engine, CreateTable("books", BOOKS))
    assert (await run(engine, ListTables())).tables == []


@pytest.mark.parametrize(
    ("template", "error"),
    [
        (PutTemplate("a b", ["*"]), InvalidName),
        (PutTemplate("t", []), LimitExceeded),
        (PutTemplate("t", ["a b"]), InvalidName),
        (PutTemplate("t", ["*"], -1), LimitExceeded),
        (PutTemplate("t", ["*"], settings={"nope": 1}), Rejected),
        (PutTemplate("t", ["*"], settings={"number_of_shards": 2}), Rejected),
        (PutTemplate("t", ["*"], settings={"number_of_replicas": 6}), LimitExceeded),
        (PutTemplate("t", ["*"], indexes=[FLAT, FLAT]), Rejected),
        (PutTemplate("t", ["*"], indexes=[TemplateIndex("i", "v", type="TREE")]), Rejected),
        (PutTemplate("t", ["*"], indexes=[TemplateIndex("i", "v", metric="far")]), Rejected),
        (PutTemplate("t", ["*"], indexes=[TemplateIndex("i", "v", type="BIN_IVF", metric="l2")]), Rejected),
        (PutTemplate("t", ["*"], indexes=[TemplateIndex("i,j", "v")]), InvalidName),
        (PutTemplate("t", ["*"], indexes=[TemplateIndex("i", "v", params={"x": vectors([1.0])})]), Rejected),
        (PutTemplate("t", ["*"], indexes=[TemplateIndex("i", "v", params={"x": "y" * 20_000})]), LimitExceeded),
    ],
)
async def test_a_wrong_template_is_refused(engine: Engine, template: PutTemplate, error: type[HippodError]) -> None:
    with pytest.raises(error):
        await run(engine, template)
    assert (await run(engine, ListTemplates())).templates == []


async def test_an_index_of_a_template_that_no_field_can_have_is_named_with_what_there_is(engine: Engine) -> None:
    with pytest.raises(Rejected, match="index 'i': metric l2 does not go with the index type: BIN_IVF takes hamming, jaccard"):
        await run(engine, PutTemplate("t", ["*"], indexes=[FLAT, TemplateIndex("i", "v", type="bin_ivf", metric="L2")]))


async def test_an_index_of_a_template_without_a_metric_has_that_of_its_field(engine: Engine) -> None:
    await run(engine, PutTemplate("t", ["*"], indexes=[TemplateIndex("i", "v")]))
    assert [(i.type, i.metric) for i in (await created(engine, "books")).indexes] == [("AUTO", "l2")]
    bits = Schema(fields=(Field("id", DataType.INT64, primary_key=True), Field("v", DataType.BINARY_VECTOR, dimension=8)))
    await run(engine, CreateTable("bits", bits))
    assert [(i.type, i.metric) for i in (await run(engine, DescribeTable("bits"))).indexes] == [("AUTO", "hamming")]


async def test_a_template_gives_no_index_that_the_vectors_cannot_have(engine: Engine) -> None:
    await run(engine, PutTemplate("t", ["new*"], indexes=[TemplateIndex("i", "v", "BIN_FLAT", "hamming")]))
    with pytest.raises(Rejected, match="index type BIN_FLAT is not for field 'v' of type float_vector"):
        await run(engine, CreateTable("new", BOOKS))
