"""Offset, radius, groups and pages on trained indexes, and on binary and sparse ones, with filters, against all rows scored by hand.

The parameters visit everything, so that a trained index finds what an exact search would: what is tested is what is made of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import pytest_asyncio

from hippod.engine.arrays import Column, SparseArray
from hippod.engine.engine import Engine
from hippod.engine.index.options import IndexOptions
from hippod.engine.operations import ActivateIndex, CreateIndex, CreateTable, Delete, Insert, ListIndexes, Search, SearchPage
from hippod.engine.options import EngineOptions
from hippod.engine.schema import DataType, Field, Schema
from tests.unit.engine.harness import cells, column, run

ROWS = 1_500
SCHEMA = Schema(
    fields=(
        Field("id", DataType.INT64, primary_key=True),
        Field("group", DataType.INT32),
        Field("f", DataType.FLOAT_VECTOR, dimension=8),
        Field("b", DataType.BINARY_VECTOR, dimension=2_048),
        Field("s", DataType.SPARSE_FLOAT_VECTOR),
    )
)
FILTERS: dict[str, Callable[[int], bool]] = {
    "": lambda _: True,
    "group < 9": lambda group: group < 9,
    "group == 5": lambda group: group == 5,
}


class Kind(NamedTuple):
    field: str
    type: str
    metric: str
    made_with: dict[str, Any]
    search: dict[str, Any]
    is_trained: bool = True


KINDS = [
    Kind("f", "IVF_FLAT", "l2", {"nlist": 16}, {"nprobe": 15}),
    Kind("f", "IVF_SQ", "ip", {"nlist": 16}, {"nprobe": 15, "reorder": ROWS}),
    Kind("f", "HNSW", "cosine", {"M": 32}, {"ef_search": ROWS}),
    Kind("b", "BIN_FLAT", "hamming", {}, {}, False),
    Kind("s", "SPARSE_HNSW", "ip", {}, {}, False),
]


class Table:
    def __init__(self, engine: Engine, kind: Kind) -> None:
        rng = np.random.default_rng(11)
        self.engine, self.kind = engine, kind
        self.group = (np.arange(ROWS) % 20).astype(np.int32)
        self.f = rng.normal(size=(ROWS, 8)).astype(np.float32)
        # So many bits as no other row: no two are at one distance from zeros.
        self.b = np.packbits(np.arange(2_048) < rng.permutation(ROWS)[:, None], axis=1)
        indices = np.tile(np.array([0, 5, 9], np.uint32), ROWS)
        self.s = SparseArray(np.arange(0, 3 * ROWS + 1, 3), indices, rng.uniform(1, 9, 3 * ROWS).astype(np.float32))
        self.dead = set(range(0, ROWS, 7))

    async def fill(self) -> None:
        await run(self.engine, CreateTable("t", SCHEMA))
        columns = [column("id", np.arange(ROWS)), column("group", self.group), column("f", self.f), column("b", self.b)]
        await run(self.engine, Insert("t", [*columns, Column("s", self.s)]))
        kind = self.kind
        await run(self.engine, CreateIndex("t", "ix", kind.field, type=kind.type, metric=kind.metric, params=kind.made_with))
        await run(self.engine, ActivateIndex("t", "ix"))
        await run(self.engine, Delete("t", column("id", np.array(sorted(self.dead)))))

    @property
    def query(self) -> Any:
        return {"f": self.f[3:4] + np.float32(0.01), "b": np.zeros((1, 256), np.uint8), "s": self.s[3:4].compact()}[self.kind.field]

    def ranking(self, filter: str) -> list[int]:
        """All living rows that match, best first."""
        if self.kind.field == "b":
            orders = np.unpackbits(self.b, axis=1).sum(axis=1).astype(float)
        elif self.kind.field == "s":
            dense = self.s.values.reshape(ROWS, 3).astype(float)
            orders = -(dense @ dense[3])
        else:
            rows, left = self.f.astype(float), self.query[0].astype(float)
            if self.kind.metric == "cosine":
                rows = rows / np.linalg.norm(rows, axis=1)[:, None]
            orders = ((rows - left) ** 2).sum(axis=1) if self.kind.metric == "l2" else -(rows @ left)
        return [i for i in np.argsort(orders).tolist() if i not in self.dead and FILTERS[filter](int(self.group[i]))]

    async def search(self, k: int, **others: Any) -> tuple[list[int], list[float]]:
        found = await run(self.engine, Search("t", self.query, k, field=self.kind.field, params=self.kind.search, **others))
        return cells(found.columns, "id"), found.scores.tolist()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS, ids=lambda kind: kind.type)
async def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Table]:
    index = IndexOptions(train_rows_min=500, training_threads=1)
    engine = await Engine.open(EngineOptions(data_dir=tmp_path_factory.mktemp("trained") / "data", free_bytes_min=0, index=index))
    try:
        made = Table(engine, request.param)
        await made.fill()
        yield made
    finally:
        await engine.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_index_is_what_the_tests_are_about(table: Table) -> None:
    (index,) = (await run(table.engine, ListIndexes("t"))).indexes
    assert (index.vectors > 0) is table.kind.is_trained


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize("offset", [0, 3, 50])
async def test_an_offset_leaves_out_the_best_hits(table: Table, offset: int, filter: str) -> None:
    found, _ = await table.search(10, offset=offset, filter=filter)
    assert found == table.ranking(filter)[offset : offset + 10]


@pytest.mark.parametrize("filter", FILTERS)
async def test_a_radius_leaves_out_what_scores_worse(table: Table, filter: str) -> None:
    ids, scores = await table.search(30, filter=filter)
    found, within = await table.search(50, filter=filter, radius=scores[17])
    assert found == ids[: len(found)] == table.ranking(filter)[: len(found)]
    assert len(found) >= 18
    assert within[-1] == scores[17]
    assert (await table.search(50, filter=filter, radius=scores[17], offset=16))[0] == found[16:]


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize(("k", "size", "offset"), [(4, 3, 0), (2, 5, 3), (20, 1, 0)])
async def test_the_best_groups_come_with_their_best_rows(table: Table, filter: str, k: int, size: int, offset: int) -> None:
    groups: dict[int, list[int]] = {}
    for row in table.ranking(filter):
        groups.setdefault(int(table.group[row]), []).append(row)
    wanted = [row for members in list(groups.values())[offset : offset + k] for row in members[:size]]
    found, _ = await table.search(k, group_by="group", group_size=size, offset=offset, filter=filter)
    assert found == wanted


@pytest.mark.parametrize("filter", FILTERS)
async def test_pages_bring_all_rows_once(table: Table, filter: str) -> None:
    came: list[int] = []
    after = None
    while not came or after is not None:
        page = SearchPage("t", table.query, 200, field=table.kind.field, params=table.kind.search, filter=filter, after=after)
        found = await run(table.engine, page)
        came += cells(found.columns, "id")
        after = found.next
    ranking = table.ranking(filter)
    # A trained index may miss rows on the first page; whatever it gave, the rest comes in its order.
    assert sorted(came) == sorted(ranking)
    assert came[200:] == [row for row in ranking if row not in came[:200]]
