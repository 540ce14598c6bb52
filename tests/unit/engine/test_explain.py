"""Plans and profiles of searches and queries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from hippod.engine.engine import Engine
from hippod.engine.index.options import IndexOptions
from hippod.engine.operations import (
    ActivateIndex,
    CreateIndex,
    CreateTable,
    Insert,
    Partition,
    Partitioning,
    PartitionKind,
    Plan,
    Query,
    Search,
    SearchWay,
)
from hippod.engine.options import EngineOptions
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import FilterError
from tests.unit.engine.harness import BOOKS, book_columns, cells, column, opened, run, vectors

BY_ID = Partitioning(PartitionKind.RANGE, ["id"], [Partition("low", [100]), Partition("mid", [200]), Partition("high", [1_000_000])])
QUERY = vectors([5.0, 1.0, 0.0, 0.0])


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        await run(engine, CreateTable("books", BOOKS, partitioning=BY_ID))
        await run(engine, Insert("books", book_columns(range(250))))
        await run(engine, CreateIndex("books", "ix", "v", type="FLAT"))
        await run(engine, ActivateIndex("books", "ix"))
        yield engine


async def plan_of(engine: Engine, condition: str) -> Plan:
    answer = await run(engine, Search("books", QUERY, 3, filter=condition, explain=True))
    assert (answer.counts.tolist(), len(answer.scores), cells(answer.columns, "id"), answer.profile) == ([0], 0, [], None)
    assert isinstance(answer.plan, Plan)
    return answer.plan


async def test_the_plan_of_a_search_tells_tablets_matches_and_what_is_left_out(engine: Engine) -> None:
    plan = await plan_of(engine, "id < 150 and price > 1")
    assert (plan.index, plan.metric, plan.filter_fields, plan.excluded) == ("ix", "l2", ["id", "price"], ["high"])
    shown = [(t.partition, t.rows, t.matches, t.share, t.way) for t in plan.tablets]
    assert shown == [("low", 100, 100, 1.0, SearchWay.AMONG), ("mid", 100, 50, 0.5, SearchWay.AMONG)]
    whole = await plan_of(engine, "")
    assert [(t.matches, t.way, t.fetch, t.engine) for t in whole.tablets] == [(n, SearchWay.EXACT, 3, "exact") for n in (100, 100, 50)]
    nothing = await plan_of(engine, "id < 150 and price < 0")
    assert {t.way for t in nothing.tablets} == {SearchWay.NOTHING}
    with pytest.raises(FilterError):
        await plan_of(engine, "none > 1")


async def test_the_profile_of_a_search_comes_with_its_hits(engine: Engine) -> None:
    plain = await run(engine, Search("books", QUERY, 3, filter="id < 150"))
    assert (plain.plan, plain.profile) == (None, None)
    answer = await run(engine, Search("books", QUERY, 3, filter="id < 150", profile=True))
    assert cells(answer.columns, "id") == cells(plain.columns, "id")
    profile = answer.profile
    assert profile.matches == 150
    assert sorted(profile.stages) == ["filter", "gather", "search"]
    assert profile.seconds >= max(profile.stages.values()) > 0
    assert sorted((t.tablet, t.way, t.fetch, t.hits) for t in profile.tablets) == [(0, "among", 100, 3), (1, "among", 50, 3)]
    whole = await run(engine, Search("books", QUERY, 3, profile=True))
    assert whole.profile.matches is None
    assert {(t.way, t.fetch, t.hits) for t in whole.profile.tablets} == {("exact", 3, 3)}


async def test_plan_and_profile_of_a_query(engine: Engine) -> None:
    answer = await run(engine, Query("books", "id < 150 and price > 1", ["id"], explain=True))
    assert (answer.rows, cells(answer.columns, "id"), answer.plan.excluded, answer.plan.index) == (0, [], ["high"], None)
    assert [(t.partition, t.matches, t.way) for t in answer.plan.tablets] == [("low", 100, "scan"), ("mid", 50, "scan")]
    keys = await run(engine, Query("books", "id in [1, 2, 170]", explain=True))
    assert [(t.matches, t.way) for t in keys.plan.tablets] == [(2, "keys"), (1, "keys")]
    every = await run(engine, Query("books", explain=True))
    assert [(t.share, t.way) for t in every.plan.tablets] == [(1.0, "all")] * 3
    profiled = await run(engine, Query("books", "id < 150", ["id"], limit=2, profile=True))
    assert (profiled.rows, profiled.profile.matches, sorted(profiled.profile.stages)) == (2, 150, ["filter", "gather"])


async def test_a_trained_index_tells_its_engine_and_tuning(tmp_path: Path) -> None:
    trained = IndexOptions(train_rows_min=500)
    engine = await Engine.open(EngineOptions(data_dir=tmp_path / "data", free_bytes_min=0, index=trained))
    try:
        wide = Schema(fields=(Field("id", DataType.INT64, primary_key=True), Field("v", DataType.FLOAT_VECTOR, dimension=256)))
        await run(engine, CreateTable("books", wide))
        noise = np.random.default_rng(1).normal(size=(4_000, 256)).astype(np.float32)
        await run(engine, Insert("books", [column("id", np.arange(4_000)), column("v", noise)]))
        await run(engine, CreateIndex("books", "ix", "v", type="IVF_FLAT", params={"nlist": 32}))
        await run(engine, ActivateIndex("books", "ix"))
        (whole,) = (await run(engine, Search("books", noise[:1], 3, params={"nprobe": 4}, explain=True))).plan.tablets
        assert (whole.way, whole.fetch, whole.effort) == ("index", 3, 4)
        assert whole.engine != "exact"
        assert whole.reorder is not None
        assert whole.cost_us is None
        (most,) = (await run(engine, Search("books", noise[:1], 3, filter="id >= 0", explain=True))).plan.tablets
        assert (most.way, most.matches, most.fetch) == ("over_fetch", 4_000, 30)
        assert most.effort is not None
        (few,) = (await run(engine, Search("books", noise[:1], 3, filter="id < 20", explain=True))).plan.tablets
        assert (few.way, few.matches, few.fetch, few.effort) == ("among", 20, None, None)
        assert few.cost_us < most.cost_us
        done = await run(engine, Search("books", noise[:1], 3, filter="id >= 0", profile=True))
        assert [(t.way, t.fetch, t.hits) for t in done.profile.tablets] == [("over_fetch", most.fetch, 3)]
    finally:
        await engine.close()
