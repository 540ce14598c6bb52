"""Searches through the engine: over tablets, and while rows change."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from hippod.engine.operations import ActivateIndex, CreateIndex, Search, Upsert
from tests.unit.engine.harness import SHIVA, book_columns, cells, make_books, opened, run, vectors


async def test_a_row_that_is_replaced_while_a_search_runs_is_found(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as engine:
        await make_books(engine, 2)
        await run(engine, CreateIndex("books", "ix", "v", type="FLAT"))
        await run(engine, ActivateIndex("books", "ix"))
        await run(engine, Upsert("books", book_columns([0, 1])))
        go_on = threading.Event()
        blocked = [engine.pool.run(go_on.wait) for _ in range(engine.options.index.search_threads)]
        search = engine.submit(Search("books", vectors([1.0, 1.0, 0.0, 0.0]), 2), SHIVA)
        await run(engine, Upsert("books", book_columns([0, 1])))
        go_on.set()
        assert cells((await search).columns, "id") == [1, 0]
        await asyncio.gather(*blocked)
