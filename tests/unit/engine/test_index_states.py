"""Indexes over a restart: what was active answers from the first moment, however many there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from hippod.engine import jobs
from hippod.engine.operations import ActivateIndex, CreateIndex, ListIndexes, ReleaseIndex, Search
from hippod.errors import WrongState
from tests.unit.engine.harness import cells, make_books, opened, run, vectors


@pytest.mark.parametrize("tablets", [1, 5])
async def test_an_active_index_answers_at_once_after_a_restart(tmp_path: Path, tablets: int) -> None:
    async with opened(tmp_path) as engine:
        await make_books(engine, 20, tablets)
        await run(engine, CreateIndex("books", "ix", "v"))
        await run(engine, ActivateIndex("books", "ix"))
    async with opened(tmp_path) as engine:
        found = await run(engine, Search("books", vectors([7, 1, 0, 0]), 1))
        assert cells(found.columns, "id") == [7]


async def test_more_active_indexes_than_jobs_may_run_are_all_there_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "RUNNING_MAX", 5)
    count = 12
    async with opened(tmp_path) as engine:
        await make_books(engine, 3)
        for number in range(count):
            await run(engine, CreateIndex("books", f"ix{number}", "v", type="FLAT"))
            await run(engine, ActivateIndex("books", f"ix{number}"))
        await run(engine, ReleaseIndex("books", "ix0"))
    async with opened(tmp_path) as engine:
        states = {index.index: index.state for index in (await run(engine, ListIndexes("books"))).indexes}
        assert states.pop("ix0") == "released"
        assert set(states.values()) == {"active"}
        assert len(states) == count - 1
        with pytest.raises(WrongState):
            await run(engine, Search("books", vectors([1, 1, 0, 0]), 1, index="ix0"))
        assert cells((await run(engine, Search("books", vectors([2, 1, 0, 0]), 1, index="ix9"))).columns, "id") == [2]
