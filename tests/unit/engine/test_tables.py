"""Tables are renamed, closed, opened, dropped, restored and purged; their rows are there afterwards exactly when they should be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippod.engine.engine import Engine
from hippod.engine.operations import (
    ActivateIndex,
    CloseTables,
    Count,
    CreateDatabase,
    CreateIndex,
    CreateTable,
    Delete,
    DescribeTable,
    DescribeTables,
    DropDatabase,
    DropTable,
    Get,
    Insert,
    ListIndexes,
    ListTables,
    ListTrash,
    LoadIndex,
    OpenTables,
    Operation,
    PurgeTable,
    Query,
    RenameTable,
    RestoreTable,
    Search,
)
from hippod.errors import AlreadyExists, InvalidName, LimitExceeded, Rejected, RetryLater, TableClosed, TableNotFound, WrongState
from tests.unit.engine.harness import BOOKS, SHIVA, book_columns, cells, column, crash_copy, make_books, opened, run, vectors

LAZY = 3_600.0


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        await make_books(engine, 10, tablets=2)
        yield engine


async def ids(engine: Engine, table: str = "books") -> list[int]:
    answer = await run(engine, Query(table, output_fields=["id"]))
    return cells(answer.columns, "id")


async def trash(engine: Engine) -> list[Any]:
    found = await run(engine, ListTrash())
    return list(found.tables)


async def make_searchable(engine: Engine) -> None:
    await run(engine, CreateIndex("books", "i", "v", type="FLAT"))
    await run(engine, ActivateIndex("books", "i"))


async def search(engine: Engine) -> list[int]:
    return cells((await run(engine, Search("books", vectors([3, 1, 0, 0]), 1))).columns, "id")


async def queue(engine: Engine, *operations: Operation) -> list[asyncio.Future[Any]]:
    """Submit operations so that each is in the writer's queue, in this order, before one of them is done."""
    futures = []
    for operation in operations:
        futures.append(engine.submit(operation, SHIVA))
        await asyncio.sleep(0)
    return futures


async def test_a_renamed_table_keeps_its_rows_and_its_id(engine: Engine) -> None:
    before = await run(engine, DescribeTable("books"))
    await run(engine, RenameTable("books", "tomes"))
    assert (await run(engine, ListTables())).tables == ["tomes"]
    after = await run(engine, DescribeTable("tomes"))
    assert (after.id, after.rows, after.table) == (before.id, 10, "tomes")
    with pytest.raises(TableNotFound):
        await run(engine, Count("books"))
    await run(engine, CreateTable("books", BOOKS))
    assert await ids(engine, "books") == []


async def test_a_table_is_not_renamed_to_a_name_that_is_taken_or_not_allowed(engine: Engine) -> None:
    await run(engine, CreateTable("other", BOOKS))
    with pytest.raises(AlreadyExists, match="'other'"):
        await run(engine, RenameTable("books", "other"))
    with pytest.raises(InvalidName):
        await run(engine, RenameTable("books", "a/b"))
    with pytest.raises(TableNotFound):
        await run(engine, RenameTable("nope", "x"))


async def test_a_closed_table_gives_its_memory_back_and_refuses_access_to_its_rows(engine: Engine) -> None:
    await make_searchable(engine)
    number = engine.catalog.table("default", "books").number
    await run(engine, CloseTables("b*"))
    assert number not in engine.tables
    refused = [Count("books"), Insert("books", book_columns([99])), Get("books", column("id", [1])), ActivateIndex("books", "i")]
    for operation in [*refused, Search("books", vectors([3, 1, 0, 0]), 1)]:
        with pytest.raises(TableClosed, match="open it first"):
            await run(engine, operation)
    info = await run(engine, DescribeTable("books"))
    assert (info.state, info.rows, info.indexes[0].state) == ("closed", 10, "released")
    assert (await run(engine, ListIndexes("books"))).indexes == info.indexes


async def test_an_opened_table_has_its_rows_but_its_indexes_must_be_loaded(engine: Engine) -> None:
    await make_searchable(engine)
    await run(engine, Delete("books", column("id", [9])))
    await run(engine, CloseTables("books"))
    await run(engine, OpenTables("books"))
    assert await ids(engine) == list(range(9))
    with pytest.raises(WrongState, match="load it first"):
        await search(engine)
    await run(engine, LoadIndex("books", "i"))
    assert await search(engine) == [3]
    await run(engine, Insert("books", book_columns([50])))
    assert await ids(engine) == [*range(9), 50]


async def test_closing_and_opening_again_changes_nothing(engine: Engine) -> None:
    for operation in (OpenTables("books"), CloseTables("books"), CloseTables("books,b*"), OpenTables("*"), OpenTables("*s")):
        await run(engine, operation)
    assert await ids(engine) == list(range(10))
    await run(engine, CloseTables("no-such-*"))
    with pytest.raises(TableNotFound, match="nope"):
        await run(engine, CloseTables("books,nope"))
    assert (await run(engine, DescribeTable("books"))).state == "open"


async def test_a_pattern_is_checked(engine: Engine) -> None:
    with pytest.raises(InvalidName):
        await run(engine, CloseTables("bo oks"))
    with pytest.raises(LimitExceeded):
        await run(engine, CloseTables("x," * 100))
    names = [info.table for info in (await run(engine, DescribeTables("*o*k*,z*"))).tables]
    assert names == ["books"]


async def test_a_row_write_that_waits_behind_a_close_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as engine:
        await make_books(engine, 3)
        first, close, late = await queue(
            engine, Insert("books", book_columns([50])), CloseTables("books"), Insert("books", book_columns([51]))
        )
        await first
        await close
        with pytest.raises(TableClosed):
            await late
        await run(engine, OpenTables("books"))
        assert await ids(engine) == [0, 1, 2, 50]
        drop, late = await queue(engine, DropTable("books", purge=True), Insert("books", book_columns([52])))
        await drop
        with pytest.raises(TableNotFound, match="dropped meanwhile"):
            await late
    async with opened(tmp_path / "data") as engine:
        assert (await run(engine, ListTables())).tables == []


async def test_tables_opened_twice_at_once_are_read_once(engine: Engine) -> None:
    await run(engine, CloseTables("books"))
    outcomes = await asyncio.gather(*(run(engine, OpenTables("books")) for _ in range(4)), return_exceptions=True)
    assert any(not isinstance(outcome, BaseException) for outcome in outcomes)
    assert all(isinstance(outcome, RetryLater) for outcome in outcomes if isinstance(outcome, BaseException))
    assert await ids(engine) == list(range(10))


async def test_an_opening_that_its_caller_gives_up_goes_on_to_its_end(engine: Engine) -> None:
    await run(engine, CloseTables("books"))
    opening = engine.submit(OpenTables("books"), SHIVA)
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    await engine.resident.settle()
    assert await ids(engine) == list(range(10))


async def test_dropped_tables_of_one_name_lie_in_the_trash_side_by_side(engine: Engine) -> None:
    await run(engine, DropTable("books"))
    await make_books(engine, 3)
    await run(engine, DropTable("books"))
    assert engine.tables == {}
    found = await trash(engine)
    assert [(t.table, t.rows) for t in found] == [("books", 3), ("books", 10)]
    assert all(t.expires > t.dropped for t in found)
    await run(engine, RestoreTable("books"))
    assert await ids(engine) == [0, 1, 2]
    with pytest.raises(AlreadyExists):
        await run(engine, RestoreTable("books"))
    await run(engine, RestoreTable(found[1].id, new_name="old"))
    assert await ids(engine, "old") == list(range(10))
    assert await trash(engine) == []


async def test_a_dropped_table_is_in_the_trash_and_nowhere_else(engine: Engine) -> None:
    await make_searchable(engine)
    await run(engine, DropTable("books"))
    with pytest.raises(TableNotFound):
        await run(engine, Count("books"))
    with pytest.raises(TableNotFound):
        await run(engine, OpenTables("books"))
    assert (await run(engine, DescribeTables())).tables == []
    await run(engine, RestoreTable("books"))
    info = await run(engine, DescribeTable("books"))
    assert (info.state, info.indexes[0].state) == ("open", "released")


async def test_purged_tables_are_gone_for_good_with_their_files(engine: Engine, tmp_path: Path) -> None:
    await make_searchable(engine)
    number = engine.catalog.table("default", "books").number
    (tmp_path / "data" / "index" / str(number)).mkdir(exist_ok=True)
    await run(engine, DropTable("books"))
    await run(engine, CreateTable("books", BOOKS))
    await run(engine, DropTable("books"))
    await run(engine, PurgeTable("books"))
    assert await trash(engine) == []
    with pytest.raises(TableNotFound, match="in the trash"):
        await run(engine, RestoreTable("books"))
    await engine.resident.close()
    assert not (tmp_path / "data" / "index" / str(number)).exists()
    await engine.checkpointer.flush()
    assert not list(engine.store.load_blocks(number, 0))


async def test_a_database_takes_its_trash_with_it_but_not_its_tables(engine: Engine) -> None:
    await run(engine, CreateDatabase("shop"))
    await run(engine, CreateTable("t", BOOKS, database="shop"))
    with pytest.raises(Rejected, match="still has 1 tables"):
        await run(engine, DropDatabase("shop"))
    await run(engine, DropTable("t", database="shop"))
    await run(engine, DropDatabase("shop"))
    assert (await run(engine, ListTrash(None))).tables == []


async def test_the_trash_is_emptied_by_running_time_and_not_by_the_wall_clock(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = 86_400
    now = 0.0
    monkeypatch.setattr(engine.trash, "_now", lambda: now)
    monkeypatch.setattr(engine.trash, "_started", 0.0)
    monkeypatch.setattr("hippod.engine.catalog.tables.time.time", lambda: 4e9)
    await run(engine, DropTable("books"))
    now = 5.0 * day
    await engine.trash.empty()
    assert [t.table for t in await trash(engine)] == ["books"]
    assert engine.catalog.running_s == 5 * day
    now = 7.0 * day - 1
    await engine.trash.empty()
    assert [round(engine.trash.remaining_s(t)) for t in engine.catalog.trash()] == [1]
    now = 7.0 * day
    await engine.trash.empty()
    assert await trash(engine) == []


async def test_time_in_the_trash_is_counted_on_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path / "data", trash_retention_s=1_000.0) as engine:
        await make_books(engine, 1)
        await run(engine, DropTable("books"))
        engine.trash._started -= 600.0
        await engine.trash.empty()
    async with opened(tmp_path / "data", trash_retention_s=1_000.0) as engine:
        left = engine.trash.remaining_s(next(engine.catalog.trash()))
        assert 390 <= left <= 400
        engine.trash._started -= 400.0
        await engine.trash.empty()
        assert await trash(engine) == []
    async with opened(tmp_path / "data") as engine:
        assert engine.catalog.by_number == {}


async def test_the_trash_empties_itself(tmp_path: Path) -> None:
    async with opened(tmp_path / "data", trash_retention_s=0.01) as engine:
        await make_books(engine, 1)
        await run(engine, DropTable("books"))
        async with asyncio.timeout(20):
            while await trash(engine):
                await asyncio.sleep(0.005)


STEPS = (
    RenameTable("books", "tomes"),
    Insert("tomes", book_columns([20])),
    CloseTables("tomes"),
    OpenTables("tomes"),
    Insert("tomes", book_columns([21])),
    DropTable("tomes"),
    RestoreTable("tomes", "books"),
    Insert("books", book_columns([22])),
    CreateTable("second", BOOKS),
    DropTable("second", purge=True),
    CloseTables("books"),
    DropTable("books"),
    RestoreTable("books"),
)


@pytest.mark.parametrize("interval_s", [LAZY, 0.01])
async def test_every_state_of_a_table_survives_a_crash_and_a_restart(tmp_path: Path, interval_s: float) -> None:
    """After each step the directory is copied as a crash would leave it: what recovers is what was there."""

    async def state(engine: Engine) -> dict[str, Any]:
        infos = (await run(engine, DescribeTables())).tables
        rows = {i.table: await ids(engine, i.table) for i in infos if i.state == "open"}
        return {"tables": [(i.table, i.id, i.state, i.rows) for i in infos], "rows": rows, "trash": [t.id for t in await trash(engine)]}

    copies: list[tuple[Path, dict[str, Any]]] = []
    async with opened(tmp_path / "data", checkpoint_interval_s=interval_s) as engine:
        await make_books(engine, 5, tablets=2)
        for step in STEPS:
            await run(engine, step)
            copies.append((await asyncio.to_thread(crash_copy, tmp_path / "data"), await state(engine)))
    copies.append((tmp_path / "data", copies[-1][1]))
    for path, expected in copies:
        for _ in range(2):
            async with opened(path) as engine:
                assert await state(engine) == expected


async def test_many_rows_come_back_from_the_store_cell_for_cell(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    async with opened(tmp_path / "data") as engine:
        await make_books(engine)
        columns = book_columns(range(5_000), v=rng.standard_normal((5_000, 4), np.float32))
        await run(engine, Insert("books", columns))
        await run(engine, Delete("books", column("id", list(range(0, 5_000, 3)))))
        before = await run(engine, Get("books", column("id", list(range(5_000)))))
        await run(engine, CloseTables("books"))
        await run(engine, OpenTables("books"))
        after = await run(engine, Get("books", column("id", list(range(5_000)))))
        for name in ("id", "title", "pages", "price", "tags", "v"):
            assert cells(after.columns, name) == cells(before.columns, name)
