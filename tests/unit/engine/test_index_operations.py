"""Operations on indexes as the engine answers them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hippod.engine.catalog.settings import DELETION_SHARE
from hippod.engine.operations import (
    ActivateIndex,
    ChangeSettings,
    CompactIndex,
    CreateIndex,
    IndexInfo,
    ListIndexes,
    ReleaseIndex,
    SetAutoCompaction,
)
from hippod.errors import IndexNotFound, WrongState
from tests.unit.engine.harness import make_books, opened, run


async def test_auto_compaction_is_of_the_definition_and_reaches_every_tablet(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        await make_books(engine, 20, tablets=2)
        await run(engine, CreateIndex("books", "near", "v", type="HNSW"))
        await run(engine, SetAutoCompaction("books", "near", enabled=False))
        await run(engine, ActivateIndex("books", "near"))
        table = engine.table("default", "books")
        generations = [live._generations for live in table.live_indexes()]
        assert [g.auto_compaction for g in generations] == [False, False]
        await run(engine, SetAutoCompaction("books", "near", enabled=True))
        assert [g.auto_compaction for g in generations] == [True, True]
        await run(engine, SetAutoCompaction("books", "near", enabled=False))
        with pytest.raises(IndexNotFound):
            await run(engine, SetAutoCompaction("books", "none", enabled=False))
    async with opened(tmp_path) as engine:
        [info] = (await run(engine, ListIndexes("books"))).indexes
        assert isinstance(info, IndexInfo)
        assert info.auto_compaction is False
        for job in engine.jobs.all():
            await job.done.wait()
        assert [live._generations.auto_compaction for live in engine.table("default", "books").live_indexes()] == [False, False]


async def test_the_share_of_deaths_is_a_setting_of_the_table_else_that_of_the_server(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        await make_books(engine, 20)
        await run(engine, CreateIndex("books", "near", "v", type="HNSW"))
        await run(engine, ActivateIndex("books", "near"))
        (live,) = engine.table("default", "books").live_indexes()
        assert live._generations.deletion_share_max == engine.options.index.deletion_share_max
        await run(engine, ChangeSettings("books", {DELETION_SHARE: 0.05}))
        assert live._generations.deletion_share_max == 0.05
        await run(engine, ChangeSettings("books", {DELETION_SHARE: None}))
        assert live._generations.deletion_share_max == engine.options.index.deletion_share_max


async def test_only_an_active_index_is_compacted(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        await make_books(engine, 20)
        await run(engine, CreateIndex("books", "near", "v", type="HNSW"))
        with pytest.raises(WrongState, match="not active"):
            await run(engine, CompactIndex("books", "near"))
        await run(engine, ActivateIndex("books", "near"))
        job = await run(engine, CompactIndex("books", "near"))
        assert (job.action, job.status, job.vectors) == ("compact_index", "succeeded", 20)
        await run(engine, ReleaseIndex("books", "near"))
        with pytest.raises(WrongState, match="not active"):
            await run(engine, CompactIndex("books", "near"))
