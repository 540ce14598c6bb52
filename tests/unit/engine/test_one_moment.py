"""A search sees the rows of one moment: of a row that is replaced again and again there is always one version, never two and never none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippod.engine.engine import Engine
from hippod.engine.index.exact import Hits
from hippod.engine.index.options import IndexOptions
from hippod.engine.operations import (
    ActivateIndex,
    CreateIndex,
    CreateTable,
    HybridSearch,
    Insert,
    Operation,
    PartialSearch,
    Search,
    SearchPage,
    Upsert,
)
from hippod.engine.options import EngineOptions
from hippod.engine.schema import DataType, Field, Schema
from tests.unit.engine.harness import cells, column, opened, run

ROWS = 600
HOT = 3
NEAR = np.zeros((1, 4), np.float32)
SCHEMA = Schema(
    fields=(
        Field("id", DataType.INT64, primary_key=True),
        Field("n", DataType.INT32),
        Field("v", DataType.FLOAT_VECTOR, dimension=4),
        Field("w", DataType.FLOAT_VECTOR, dimension=4),
    )
)


def rows(ids: Any, version: int = 0) -> list[Any]:
    """Row i at (i, version, 0, 0) / 1000: the lowest ids are always the nearest, in every version."""
    at = np.array([[i, version % 2 * 0.1, 0, 0] for i in ids], np.float32)
    n = np.array([i % 5 for i in ids], np.int32)
    return [column("id", np.array(ids)), column("n", n), column("v", at), column("w", at)]


async def fill(engine: Engine, tablets: int, kind: str = "FLAT", **params: Any) -> None:
    await run(engine, CreateTable("t", SCHEMA, tablets=tablets))
    await run(engine, Insert("t", rows(list(range(ROWS)))))
    for field in ("v", "w"):
        await run(engine, CreateIndex("t", f"on_{field}", field, type=kind, metric="l2", params=params))
        await run(engine, ActivateIndex("t", f"on_{field}"))


SEARCHES: dict[str, Operation] = {
    "plain": Search("t", NEAR, HOT, field="v"),
    "within a radius": Search("t", NEAR, 2 * HOT, field="v", radius=5.0),
    "among few": Search("t", NEAR, HOT, field="v", filter="id < 100"),
    "among many": Search("t", NEAR, HOT, field="v", filter="n >= 0"),
    "by key": Search("t", NEAR, HOT, field="v", filter="id in [0, 1, 2]"),
    "by groups": Search("t", NEAR, HOT, field="v", group_by="id"),
    "hybrid": HybridSearch("t", [PartialSearch(NEAR, HOT, "v"), PartialSearch(NEAR, HOT, "w", filter="n < 4")], HOT),
    "first page": SearchPage("t", NEAR, HOT, field="v"),
}


@asynccontextmanager
async def trained(path: Path) -> AsyncIterator[Engine]:
    index = IndexOptions(train_rows_min=200, training_threads=1)
    engine = await Engine.open(EngineOptions(data_dir=path, free_bytes_min=0, index=index))
    try:
        yield engine
    finally:
        await engine.close()


async def replace_until(engine: Engine, stop: asyncio.Event) -> int:
    version = 0
    while not stop.is_set():
        version += 1
        await run(engine, Upsert("t", rows(list(range(HOT)), version)))
    return version


async def assert_hot_rows_are_always_found(engine: Engine, operation: Operation, times: int) -> None:
    stop = asyncio.Event()
    writer = asyncio.create_task(replace_until(engine, stop))
    try:
        for _ in range(times):
            result = await run(engine, operation)
            assert sorted(cells(result.columns, "id")) == list(range(HOT))
    finally:
        stop.set()
        assert await writer


@pytest.mark.parametrize("tablets", [1, 3])
@pytest.mark.parametrize("search", SEARCHES)
async def test_rows_that_are_replaced_are_found_once(tmp_path: Path, search: str, tablets: int) -> None:
    async with opened(tmp_path / "data") as engine:
        await fill(engine, tablets)
        await assert_hot_rows_are_always_found(engine, SEARCHES[search], 60)


@pytest.mark.parametrize("search", SEARCHES)
async def test_rows_that_are_replaced_are_found_once_by_a_trained_index(tmp_path: Path, search: str) -> None:
    async with trained(tmp_path / "data") as engine:
        await fill(engine, 1, "HNSW", ef_search=200)
        await assert_hot_rows_are_always_found(engine, SEARCHES[search], 60)


class SlowScorer:
    """Exact search whose first answers are held back until a row of theirs has been replaced."""

    def __init__(self, inner: Any, times: int) -> None:
        self._inner, self._times, self.threads_max = inner, times, inner.threads_max
        self.replaced, self.found = threading.Event(), threading.Event()

    def search(self, *asked: Any) -> Hits:
        found: Hits = self._inner.search(*asked)
        if self._times:
            self._times -= 1
            self.found.set()
            assert self.replaced.wait(60)
            self.replaced.clear()
        return found


async def test_a_row_that_is_replaced_during_every_attempt_is_not_lost(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as engine:
        await fill(engine, 1)
        index = next(iter(engine.tables[1].tablets.values())).indexes["on_v"]
        index._exact.scorer = scorer = SlowScorer(index._exact.scorer, times=2)
        answer = asyncio.ensure_future(run(engine, SEARCHES["plain"]))
        for version in (1, 2):
            assert await asyncio.to_thread(scorer.found.wait, 60)
            scorer.found.clear()
            await run(engine, Upsert("t", rows([0], version)))
            scorer.replaced.set()
        assert sorted(cells((await answer).columns, "id")) == list(range(HOT))
