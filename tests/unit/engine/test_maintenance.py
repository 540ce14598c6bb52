"""Statistics, warming up, compaction and dropping of caches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from hippod.engine.engine import Engine
from hippod.engine.operations import (
    AnalyzeTable,
    CompactTable,
    Count,
    Delete,
    DropCaches,
    GetStatistics,
    Insert,
    Query,
    Upsert,
    WarmUpTable,
)
from hippod.errors import FieldNotFound, WrongState
from tests.unit.engine.harness import book_columns, cells, column, make_books, opened, run


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        yield engine


async def fill(engine: Engine) -> None:
    """40 living rows: titles of 4 kinds, pages null in every fourth, prices falling; ten more that died."""
    ids = list(range(50))
    pages = column("pages", np.array(ids, np.int32), [i % 4 > 0 for i in ids])
    tags = column("tags", [["a"] * (i % 3) for i in ids])
    titles = [f"t{i % 4}" for i in ids]
    await run(engine, Insert("books", [*book_columns(ids, title=titles, price=[100.0 - i for i in ids]), pages, tags]))
    await run(engine, Delete("books", column("id", list(range(40, 50)))))


async def test_statistics_count_living_cells_exactly(engine: Engine) -> None:
    await make_books(engine)
    await fill(engine)
    job = await run(engine, AnalyzeTable("books"))
    assert (job.action, job.status, job.rows) == ("analyze_table", "succeeded", 40)
    (tablet,) = (await run(engine, GetStatistics("books"))).tablets
    found = {s.field: (s.keys, s.distinct, s.null_frequency, s.correlation) for s in tablet.fields}
    assert list(found) == ["id", "title", "pages", "price", "tags", "v"]
    assert found["id"] == (40, 40, 0.0, 1.0)
    assert found["pages"] == (30, 30, 0.25, 1.0)
    assert found["price"] == (40, 40, 0.0, -1.0)
    assert found["tags"] == (40, 3, 0.0, 0.0)
    assert found["v"] == (40, 40, 0.0, 0.0)
    assert found["title"][:3] == (40, 4, 0.0)
    assert abs(found["title"][3]) < 0.2


async def test_statistics_of_tablets_that_did_not_change_are_kept(engine: Engine) -> None:
    await make_books(engine, tablets=3)
    await fill(engine)
    with pytest.raises(WrongState, match="analyze_table"):
        await run(engine, GetStatistics("books"))
    await run(engine, AnalyzeTable("books", ["price", "id"]))
    with pytest.raises(WrongState, match="analyze_table"):
        await run(engine, GetStatistics("books", ["title"]))
    first = await run(engine, GetStatistics("books"))
    assert [s.field for s in first.tablets[0].fields] == ["id", "price"]
    assert sum(t.fields[0].keys for t in first.tablets) == 40
    await run(engine, Upsert("books", book_columns([1])))
    stale = await run(engine, GetStatistics("books"))
    assert sorted(t.is_current for t in stale.tablets) == [False, True, True]
    kept = {t.number: t.statistics[1] for t in engine.table("default", "books").tablets.values()}
    await run(engine, AnalyzeTable("books", ["id"]))
    now = {t.number: t.statistics[1] for t in engine.table("default", "books").tablets.values()}
    assert sum(now[number] is kept[number] for number in kept) == 2
    await run(engine, AnalyzeTable("books", ["id"], refresh=True))
    again = {t.number: t.statistics[1] for t in engine.table("default", "books").tablets.values()}
    assert not any(again[number] is now[number] for number in kept)
    with pytest.raises(FieldNotFound):
        await run(engine, AnalyzeTable("books", ["none"]))


async def test_an_empty_table_has_statistics_too(engine: Engine) -> None:
    await make_books(engine)
    await run(engine, AnalyzeTable("books"))
    (tablet,) = (await run(engine, GetStatistics("books"))).tablets
    assert {(s.keys, s.distinct, s.null_frequency, s.correlation) for s in tablet.fields} == {(0, 0, 0.0, 0.0)}


async def test_warming_up_reads_every_row(engine: Engine) -> None:
    await make_books(engine, tablets=2)
    await fill(engine)
    job = await run(engine, WarmUpTable("books"))
    assert (job.status, job.rows) == ("succeeded", 40)


async def test_compaction_rewrites_what_has_dead_rows_and_a_restart_finds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "data"
    async with opened(path) as engine:
        await make_books(engine, 5_000)
        await engine.checkpointer.flush()
        dead = list(range(0, 5_000, 10))
        await run(engine, Delete("books", column("id", dead)))
        await engine.checkpointer.flush()
        counts = engine.store._blocks.tablet(1, 0).counts
        assert sum(block.dead for block in counts.values()) == 500
        job = await run(engine, CompactTable("books"))
        assert (job.status, job.rows) == ("succeeded", 500)
        assert sum(block.dead for block in counts.values()) == 0
        assert sum(block.rows for block in counts.values()) == 4_500
        assert list(engine.store.verify()) == []
        assert (await run(engine, CompactTable("books"))).rows == 0
    async with opened(path) as engine:
        assert (await run(engine, Count("books"))).count == 4_500
        assert cells((await run(engine, Query("books", "id < 13", ["id"]))).columns, "id") == [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12]


async def test_dropped_caches_are_made_again(engine: Engine) -> None:
    await make_books(engine, 10)
    table = engine.table("default", "books")
    assert (await run(engine, Count("books", "price > 1"))).count == 10
    assert table._filters
    assert table.matchers[0]._kept
    await run(engine, DropCaches(indexes=True))
    assert not table._filters
    assert not table.matchers[0]._kept
    assert (await run(engine, Count("books", "price > 1"))).count == 10
