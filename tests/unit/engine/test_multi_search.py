"""One search over several tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hippod.engine.engine import Engine
from hippod.engine.operations import (
    ActivateIndex,
    AddAlias,
    ChangeAliases,
    CloseTables,
    CreateIndex,
    CreateTable,
    DescribeTable,
    Insert,
    MultiSearch,
    ReleaseIndex,
)
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import FieldNotFound, FilterError, HippodError, LimitExceeded, NotFound, Rejected, TableNotFound, TypeMismatch
from tests.unit.engine.harness import cells, column, opened, run


def schema(*fields: Field) -> Schema:
    return Schema(fields=(Field("id", DataType.INT64, primary_key=True), *fields, Field("v", DataType.FLOAT_VECTOR, dimension=2)))


async def make(engine: Engine, name: str, ids: list[int], *fields: Field, metric: str = "l2", **others: Any) -> None:
    await run(engine, CreateTable(name, schema(*fields), tablets=2))
    await run(engine, CreateIndex(name, "ix", "v", type="FLAT", metric=metric))
    await run(engine, ActivateIndex(name, "ix"))
    columns = [column("id", ids), column("v", np.array([[i, 1] for i in ids], np.float32))]
    await run(engine, Insert(name, [*columns, *(column(n, values) for n, values in others.items())]))


def near(*places: float) -> Any:
    return np.array([[p, 1] for p in places], np.float32)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        await make(engine, "t1", [0, 2, 4, 6], Field("word", DataType.STRING), word=["a", "b", "c", "d"])
        await make(engine, "t2", [1, 3, 5], Field("n", DataType.INT32, nullable=True), n=[10, 30, 50])
        yield engine


async def test_the_best_of_all_tables_come_with_their_origin(engine: Engine) -> None:
    found = await run(engine, MultiSearch("t*", near(2.1, 100), 3, output_fields=["id", "word", "n"]))
    assert found.counts.tolist() == [3, 3]
    assert cells(found.columns, "id") == [2, 3, 1, 6, 5, 4]
    assert cells(found.columns, "word") == ["b", None, None, "d", None, "c"]
    assert cells(found.columns, "n") == [None, 30, 10, None, 50, None]
    assert found.scores[:3] == pytest.approx([0.01, 0.81, 1.21], rel=1e-4)
    ids = {name: (await run(engine, DescribeTable(name))).id for name in ("t1", "t2")}
    assert sorted(found.tables) == [f"default#t1@{ids['t1']}", f"default#t2@{ids['t2']}"]
    assert [found.tables[origin].split("@")[0] for origin in found.origins] == [
        f"default#{t}" for t in ("t1", "t2", "t2", "t1", "t2", "t1")
    ]


async def test_similarities_are_sorted_downwards_and_fewer_hits_than_k_are_fewer(engine: Engine) -> None:
    await make(engine, "s1", [1, 2], metric="ip")
    await make(engine, "s2", [3], metric="ip")
    found = await run(engine, MultiSearch("s1,s2", near(1, -1), 5))
    assert found.counts.tolist() == [3, 3]
    assert cells(found.columns, "id") == [3, 2, 1, 1, 2, 3]
    nothing = await run(engine, MultiSearch("s*", near(1), 5, filter="id > 100"))
    assert (nothing.counts.tolist(), len(nothing.scores), cells(nothing.columns, "id")) == ([0], 0, [])


async def test_tables_that_cannot_be_searched_are_left_out(engine: Engine) -> None:
    await run(engine, CreateTable("t3", schema()))
    await run(
        engine,
        CreateTable("t4", Schema(fields=(Field("id", DataType.INT64, primary_key=True), Field("w", DataType.FLOAT_VECTOR, dimension=3)))),
    )
    await make(engine, "t5", [2])
    await run(engine, CloseTables("t5"))
    search = MultiSearch("t*", near(2), 2, field="v")
    assert cells((await run(engine, search)).columns, "id")[0] == 2
    assert len((await run(engine, search)).tables) == 2
    await run(engine, ReleaseIndex("t1", "ix"))
    assert sorted(cells((await run(engine, search)).columns, "id")) == [1, 3]
    await run(engine, ReleaseIndex("t2", "ix"))
    with pytest.raises(NotFound, match="none of 4 tables"):
        await run(engine, search)


async def test_aliases_and_names_mean_a_table_once(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("books", "t2")]))
    found = await run(engine, MultiSearch("books,t2,*2", near(3), 10))
    assert cells(found.columns, "id") == [3, 1, 5] or cells(found.columns, "id") == [3, 5, 1]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"pattern": "none"}, TableNotFound, "none"),
        ({"pattern": "x*"}, TableNotFound, "no open table"),
        ({"output_fields": ["nothing"]}, FieldNotFound, "any of the tables"),
        ({"output_fields": ["id", "id"]}, Rejected, "twice"),
        ({"filter": "word == 'a'"}, FilterError, "word"),
        ({"k": 0}, LimitExceeded, "k is from 1"),
        ({"k": 10_000, "vectors": np.zeros((100, 2), np.float32)}, LimitExceeded, "times tables"),
    ],
)
async def test_what_cannot_be_searched_is_refused(engine: Engine, changes: dict[str, Any], error: type[HippodError], words: str) -> None:
    with pytest.raises(error, match=words):
        await run(engine, msgspec.structs.replace(MultiSearch("t*", near(1)), **changes))


async def test_different_metrics_and_types_do_not_mix(engine: Engine) -> None:
    await make(engine, "t6", [1], Field("word", DataType.INT32), word=[1])
    with pytest.raises(TypeMismatch, match="word"):
        await run(engine, MultiSearch("t*", near(1), output_fields=["word"]))
    await make(engine, "t7", [1], metric="ip")
    with pytest.raises(Rejected, match="different metrics"):
        await run(engine, MultiSearch("t*", near(1)))


async def test_offset_and_radius_are_those_of_the_ranking_of_all_tables(engine: Engine) -> None:
    found = await run(engine, MultiSearch("t*", near(2.1, 100), 2, offset=1, output_fields=["id"]))
    assert cells(found.columns, "id") == [3, 1, 5, 4]
    assert found.counts.tolist() == [2, 2]
    found = await run(engine, MultiSearch("t*", near(2.1, 100), 5, radius=1.3, output_fields=["id"]))
    assert (found.counts.tolist(), cells(found.columns, "id")) == ([3, 0], [2, 3, 1])
    assert (await run(engine, MultiSearch("t*", near(2.1), 5, offset=6))).counts.tolist() == [1]
    with pytest.raises(LimitExceeded, match="offset is 0 or more"):
        await run(engine, MultiSearch("t*", near(2.1), 5, offset=-1))
    with pytest.raises(LimitExceeded, match=r"offset \+ k is at most"):
        await run(engine, MultiSearch("t*", near(2.1), 5, offset=9_996))
    with pytest.raises(Rejected, match="radius"):
        await run(engine, MultiSearch("t*", near(2.1), 5, radius=float("nan")))
