"""Searches with a filter: all matches that there are, the nearest of them, and each filter evaluated once."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hippod.engine.engine import Engine
from hippod.engine.expr import Filter, compile_filter
from hippod.engine.index.options import IndexOptions
from hippod.engine.index.pool import SearchPool
from hippod.engine.matching import Matcher
from hippod.engine.operations import (
    ActivateIndex,
    CreateIndex,
    CreateTable,
    Delete,
    DescribeRecall,
    DescribeTable,
    Insert,
    Search,
    SearchWay,
    TabletProfile,
)
from hippod.engine.options import EngineOptions
from hippod.engine.rowblock import ColumnData, RowBlock
from hippod.engine.schema import DataType, Field, Schema
from hippod.engine.tablet import Tablet
from tests.unit.engine.harness import cells, column, run

DIMENSION = 192
CLUSTERS = 20
ROWS = 6_000
K = 10
PROMISE = {"recall": 0.9}
THOROUGH = {"nprobe": 30, "ef_search": 500}
PLACES = Schema(
    fields=(
        Field("id", DataType.INT64, primary_key=True),
        Field("cluster", DataType.INT32),
        Field("draw", DataType.INT32),
        Field("v", DataType.FLOAT_VECTOR, dimension=DIMENSION),
    )
)

Ids = npt.NDArray[np.int64]


class Places:
    """Rows in clusters far from each other, and queries about the first cluster only."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        random = np.random.default_rng(5)
        self.centres = (random.standard_normal((CLUSTERS, DIMENSION)) * 4).astype(np.float32)
        self.cluster = np.arange(ROWS) % CLUSTERS
        self.draw = random.permutation(ROWS)
        self.v = self.centres[self.cluster] + random.standard_normal((ROWS, DIMENSION)).astype(np.float32)
        self.queries = self.centres[0] + random.standard_normal((40, DIMENSION)).astype(np.float32)

    async def make(self, kind: str) -> None:
        await run(self.engine, CreateTable("places", PLACES))
        columns = {"id": np.arange(ROWS), "cluster": self.cluster, "draw": self.draw, "v": self.v}
        await run(self.engine, Insert("places", [column(name, values) for name, values in columns.items()]))
        await run(self.engine, CreateIndex("places", "ix", "v", type=kind, metric="l2", params={"nlist": 40}))
        await run(self.engine, ActivateIndex("places", "ix"))

    async def search(self, condition: str, params: dict[str, Any] | None = None) -> tuple[Ids, list[TabletProfile]]:
        """The ids (queries, K), and what was done."""
        answer = await run(self.engine, Search("places", self.queries, K, filter=condition, params=params or {}, profile=True))
        assert answer.counts.tolist() == [K] * len(self.queries)
        return np.array(cells(answer.columns, "id")).reshape(-1, K), answer.profile.tablets

    async def search_by_curve(self, condition: str) -> Ids:
        """The ids found once it has been measured how the promise is kept by over-fetch."""
        async with asyncio.timeout(60):
            while True:
                found, done = await self.search(condition, PROMISE)
                if done[0].way == SearchWay.OVER_FETCH:
                    return found

    def recall(self, found: Ids, matches: npt.NDArray[np.bool_]) -> float:
        ids = np.flatnonzero(matches)
        assert matches[found].all()
        distances = ((self.queries[:, None] - self.v[ids]) ** 2).sum(-1)
        truth = ids[np.argsort(distances, axis=1)[:, :K]]
        return float(np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found, truth, strict=True)]))


@asynccontextmanager
async def engine_on(data_dir: Path) -> AsyncIterator[Engine]:
    engine = await Engine.open(EngineOptions(data_dir=data_dir, free_bytes_min=0, index=IndexOptions(train_rows_min=1_000)))
    try:
        yield engine
    finally:
        await engine.close()


@pytest.fixture(scope="module", params=["IVF_FLAT", "HNSW"])
def indexed(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The data directory of a stopped engine whose index of this kind has been trained."""
    data_dir = tmp_path_factory.mktemp(request.param) / "data"

    async def make() -> None:
        async with engine_on(data_dir) as engine:
            await Places(engine).make(request.param)

    asyncio.run(make())
    return data_dir


@pytest.fixture
async def places(indexed: Path, tmp_path: Path) -> AsyncIterator[Places]:
    shutil.copytree(indexed, tmp_path / "data")
    async with engine_on(tmp_path / "data") as engine:
        async with asyncio.timeout(60):
            while not (await run(engine, DescribeTable("places"))).indexes[0].vectors:
                await asyncio.sleep(0.01)
        yield Places(engine)


async def test_every_share_of_matches_has_its_recall(places: Places) -> None:
    for share in (0.01, 0.1, 0.3, 0.9):
        condition, matches = f"draw < {int(share * ROWS)}", places.draw < share * ROWS
        for params in (THOROUGH, PROMISE):
            found, _ = await places.search(condition, params)
            assert places.recall(found, matches) >= (0.9 if params is PROMISE else 0.97)
    found = await places.search_by_curve(condition)
    assert places.recall(found, matches) >= 0.9


async def test_a_filter_that_picks_what_is_far_from_the_query_finds_all_the_same(places: Places) -> None:
    """The nearest rows are all of cluster 0; what is asked for lies behind more of them than an index is asked for."""
    far = places.cluster > 0
    found, done = await places.search("cluster > 0", THOROUGH)
    assert [t.way for t in done] == ["over_fetch", "among"]
    assert done[0].hits < done[1].hits == K * len(places.queries)
    assert places.recall(found, far) == 1.0


async def test_a_filter_that_picks_both_near_and_far_is_answered_for_each_query(places: Places) -> None:
    places.queries[::4] = places.centres[7] + np.float32(0.5)
    found, done = await places.search("cluster != 0", THOROUGH)
    assert [t.way for t in done] == ["over_fetch", "among"]
    assert done[1].hits == K * 30
    assert places.recall(found, places.cluster != 0) >= 0.97


async def test_what_never_finds_enough_is_not_tried_for_long(places: Places) -> None:
    ways = [tuple(t.way for t in (await places.search("cluster > 0", THOROUGH))[1]) for _ in range(12)]
    assert ways[0] == ("over_fetch", "among")
    assert ways[-1] == ("among",)


async def test_matches_are_those_of_the_rows_of_now(places: Places) -> None:
    condition = f"draw < {ROWS // 2}"
    await places.search(condition)
    near = places.queries[:5]
    columns = {"id": np.arange(ROWS, ROWS + 5), "cluster": np.zeros(5, np.int32), "draw": np.array([0, 0, 0, ROWS, ROWS]), "v": near}
    await run(places.engine, Insert("places", [column(name, values) for name, values in columns.items()]))
    found, _ = await places.search(condition)
    assert found[:3, 0].tolist() == [ROWS, ROWS + 1, ROWS + 2]
    assert not np.isin(found, [ROWS + 3, ROWS + 4]).any()
    await run(places.engine, Delete("places", column("id", np.array([ROWS, ROWS + 1]))))
    found, _ = await places.search(condition)
    assert not np.isin(found, [ROWS, ROWS + 1]).any()
    assert found[2, 0] == ROWS + 2


async def test_promises_of_filtered_searches_are_audited(places: Places) -> None:
    async with asyncio.timeout(60):
        while not (described := await run(places.engine, DescribeRecall("places", "ix"))).audited:
            await places.search("draw < 5700", {"recall": 0.9})
    (audited,) = described.audited
    assert audited.promised == 0.9
    assert 0.8 <= audited.found <= 1.0


class Counting:
    """A filter that counts the rows that it looks at."""

    def __init__(self, condition: Filter) -> None:
        self._condition = condition
        self.fields = condition.fields
        self.examined = 0

    def select(self, *arguments: Any) -> Any:
        return self._counted(self._condition.select(*arguments))

    def select_from(self, *arguments: Any) -> Any:
        return self._counted(self._condition.select_from(*arguments))

    def _counted(self, selection: Any) -> Any:
        self.examined += selection.examined
        return selection


async def test_only_rows_that_came_since_are_looked_at(tmp_path: Path) -> None:
    schema = Schema(fields=(Field("id", DataType.INT64, primary_key=True), Field("n", DataType.INT64)))
    tablet, pool, random = Tablet(schema, 0, tmp_path), SearchPool(1), np.random.default_rng(3)
    condition = Counting(compile_filter("n < 50 or n is null", schema))
    matcher = Matcher(tablet, pool)
    rows = 0
    for _ in range(30):
        count = int(random.integers(0, 40))
        row_ids = np.arange(rows + 1, rows + count + 1)
        columns = {0: ColumnData(row_ids, None), 1: ColumnData(random.integers(0, 100, count), random.random(count) < 0.9)}
        living = tablet.columns.row_ids[tablet.columns.alive]
        dead = np.sort(random.choice(living, min(len(living), int(random.integers(0, 5))), replace=False))
        tablet.publish(tablet.stage(RowBlock(row_ids, columns) if count else None, dead))
        rows += count
        found = await matcher.matches("n", condition)  # type: ignore[arg-type]  # counts, and is one otherwise
        again = await matcher.matches("n", condition)  # type: ignore[arg-type]  # counts, and is one otherwise
        fresh = await Matcher(tablet, pool).matches("n", compile_filter("n < 50 or n is null", schema))
        assert found.slots.tolist() == fresh.slots.tolist() == again.slots.tolist()
        assert len(found.mask) == rows
        assert found.mask[found.slots].all()
    assert rows > 200
    assert condition.examined <= rows
    tablet.close()
    pool.close()
