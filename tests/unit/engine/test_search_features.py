"""Offset, radius and groups of a search, against the same computed by plain Python over all rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hippod.engine import grouping
from hippod.engine.engine import Engine
from hippod.engine.operations import ActivateIndex, CreateIndex, CreateTable, Delete, Insert, Search
from hippod.engine.operations.queries import GROUP_SIZE_MAX
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import FieldNotFound, LimitExceeded, Rejected, TypeMismatch
from tests.unit.engine.harness import cells, column, opened, run

ROWS = 600
SCHEMA = Schema(
    fields=(
        Field("id", DataType.INT64, primary_key=True),
        Field("colour", DataType.VARCHAR, max_length=20, nullable=True),
        Field("shelf", DataType.INT32),
        Field("tags", DataType.ARRAY, element_type=DataType.STRING, nullable=True),
        Field("v", DataType.FLOAT_VECTOR, dimension=4),
    )
)
Row = tuple[int, float, Any]


class Shop:
    """A table of rows in clusters: the nearest rows of most queries are of one colour, two colours are rare, one is null."""

    def __init__(self, engine: Engine, tablets: int) -> None:
        rng = np.random.default_rng(7)
        self.engine, self.tablets = engine, tablets
        cluster = np.minimum(rng.geometric(0.6, ROWS) - 1, 5)
        centres = rng.normal(size=(6, 4)) * 6
        self.vectors = (centres[cluster] + rng.normal(size=(ROWS, 4))).astype(np.float32)
        self.colours = [[None, "", "red", "green", "blue", "grey"][c] for c in (cluster + 2) % 6]
        self.shelves = np.arange(ROWS, dtype=np.int32) % 40
        self.queries = (centres[:5] + rng.normal(size=(5, 4))).astype(np.float32)
        self.dead = {i for i in range(ROWS) if i % 11 == 0}

    async def fill(self, metric: str) -> None:
        await run(self.engine, CreateTable("shop", SCHEMA, tablets=self.tablets))
        await run(self.engine, CreateIndex("shop", "ix", "v", type="FLAT", metric=metric))
        await run(self.engine, ActivateIndex("shop", "ix"))
        colours = column("colour", [c or "" for c in self.colours], [c is not None for c in self.colours])
        columns = [column("id", np.arange(ROWS)), colours, column("shelf", self.shelves), column("v", self.vectors)]
        await run(self.engine, Insert("shop", columns))
        await run(self.engine, Delete("shop", column("id", np.array(sorted(self.dead)))))

    def ranking(self, query: int, metric: str) -> list[tuple[float, int]]:
        """All living rows, best first."""
        left, rows = self.queries[query].astype(float), self.vectors.astype(float)
        scores = -((rows - left) ** 2).sum(axis=1) if metric == "l2" else rows @ left
        return sorted(((float(s), i) for i, s in enumerate(scores) if i not in self.dead), reverse=True)

    async def search(self, k: int, **others: Any) -> list[list[tuple[int, float]]]:
        result = await run(self.engine, Search("shop", self.queries, k, **others))
        hits = list(zip(cells(result.columns, "id"), result.scores.tolist(), strict=True))
        ends = np.cumsum([0, *result.counts.tolist()])
        return [hits[a:b] for a, b in pairwise(ends)]


@pytest.fixture(params=[("l2", 1), ("ip", 3)], ids=["l2, one tablet", "ip, three tablets"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Shop, str]]:
    metric, tablets = request.param
    async with opened(tmp_path / "data") as engine:
        made = Shop(engine, tablets)
        await made.fill(metric)
        yield made, metric


@pytest.mark.parametrize("offset", [0, 1, 7, ROWS - 5, ROWS])
async def test_an_offset_leaves_out_the_best_hits(shop: tuple[Shop, str], offset: int) -> None:
    made, metric = shop
    for query, hits in enumerate(await made.search(10, offset=offset)):
        assert [i for i, _ in hits] == [i for _, i in made.ranking(query, metric)[offset : offset + 10]]


@pytest.mark.parametrize("k", [50, 29])
@pytest.mark.parametrize("filter", ["", "shelf < 20"])
async def test_a_radius_leaves_out_what_scores_worse(shop: tuple[Shop, str], filter: str, k: int) -> None:
    made, metric = shop
    matching = [i for i in range(ROWS) if not filter or made.shelves[i] < 20]
    middle = [s for s, i in made.ranking(0, metric) if i in matching][30]
    bound = -middle if metric == "l2" else middle
    counts = set()
    for query, hits in enumerate(await made.search(k, radius=bound + (1e-3 if metric == "l2" else -1e-3), offset=2, filter=filter)):
        wanted = [i for s, i in made.ranking(query, metric) if i in matching and s >= middle - 1e-3][2 : 2 + k]
        assert [i for i, _ in hits] == wanted
        counts.add(len(hits))
    assert 29 in counts
    assert len(counts) > 1


async def test_a_hit_at_the_radius_itself_is_within(shop: tuple[Shop, str]) -> None:
    made, _ = shop
    score = (await made.search(5))[0][4][1]
    assert [s for _, s in (await made.search(50, radius=score))[0]][-1] == score


def by_groups(ranking: list[tuple[float, int]], keys: list[Any], offset: int, k: int, size: int) -> list[int]:
    groups: dict[Any, list[int]] = {}
    for _, row in ranking:
        groups.setdefault(keys[row], []).append(row)
    return [row for members in list(groups.values())[offset : offset + k] for row in members[:size]]


@pytest.mark.parametrize("scanned", [False, True], ids=["fetched", "scanned"])
@pytest.mark.parametrize(
    ("field", "k", "size", "offset"), [("colour", 3, 2, 0), ("colour", 9, 4, 1), ("shelf", 12, 1, 5), ("shelf", 38, 90, 0)]
)
@pytest.mark.parametrize("filter", ["", "shelf < 33"])
async def test_the_best_groups_come_with_their_best_rows(
    shop: tuple[Shop, str], monkeypatch: pytest.MonkeyPatch, filter: str, field: str, k: int, size: int, offset: int, scanned: bool
) -> None:
    made, metric = shop
    if scanned:
        # The deepest ranking that is fetched then holds but few groups, and blocks of rows are small.
        monkeypatch.setattr(grouping, "HITS_MAX", 5 * 3)
        monkeypatch.setattr(grouping, "_ROWS_AT_ONCE", 37)
        monkeypatch.setattr(grouping, "_QUERIES_AT_ONCE", 2)
    keys = made.colours if field == "colour" else made.shelves.tolist()
    for query, hits in enumerate(await made.search(k, group_by=field, group_size=size, offset=offset, filter=filter)):
        ranking = [(s, i) for s, i in made.ranking(query, metric) if not filter or made.shelves[i] < 33]
        assert [i for i, _ in hits] == by_groups(ranking, keys, offset, k, size)


async def test_groups_hold_no_row_outside_the_radius(shop: tuple[Shop, str], monkeypatch: pytest.MonkeyPatch) -> None:
    made, metric = shop
    middle = made.ranking(1, metric)[40][0]
    bound = -middle + 1e-3 if metric == "l2" else middle - 1e-3
    ranking = [(s, i) for s, i in made.ranking(1, metric) if s >= middle - 1e-3]
    wanted = by_groups(ranking, made.shelves.tolist(), 0, 40, 3)
    for _ in range(2):
        assert [i for i, _ in (await made.search(40, radius=bound, group_by="shelf", group_size=3))[1]] == wanted
        monkeypatch.setattr(grouping, "HITS_MAX", 5 * 3)


async def test_the_field_of_the_groups_comes_with_the_hits(shop: tuple[Shop, str]) -> None:
    made, _ = shop
    result = await run(made.engine, Search("shop", made.queries, 2, group_by="colour", output_fields=["shelf"]))
    assert {c.field for c in result.columns} == {"id", "shelf", "colour"}
    ids = cells(result.columns, "id")
    assert cells(result.columns, "colour") == [made.colours[i] for i in ids]


async def test_search_parameters_that_suit_k_suit_the_deeper_ranking_of_groups(shop: tuple[Shop, str]) -> None:
    made, metric = shop
    await run(made.engine, CreateIndex("shop", "leaves", "v", type="IVF_FLAT", metric=metric))
    await run(made.engine, ActivateIndex("shop", "leaves"))
    hits = await made.search(3, group_by="shelf", index="leaves", params={"reorder": 3})
    assert [i for i, _ in hits[0]] == by_groups(made.ranking(0, metric), made.shelves.tolist(), 0, 3, 1)
    with pytest.raises(Rejected, match="reorder"):
        await made.search(3, group_by="shelf", index="leaves", params={"reorder": 2})


async def test_a_plan_and_a_profile_tell_how_deep_the_ranking_is(shop: tuple[Shop, str], monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = shop
    asked = Search("shop", made.queries, 3, offset=4, group_by="shelf", group_size=2)
    plan = (await run(made.engine, msgspec.structs.replace(asked, explain=True))).plan
    assert {tablet.fetch for tablet in plan.tablets} == {(3 + 4) * 2}
    monkeypatch.setattr(grouping, "HITS_MAX", 5 * 3)
    result = await run(made.engine, msgspec.structs.replace(asked, profile=True))
    assert {"search", "score_all", "gather"} <= set(result.profile.stages)
    assert {tablet.fetch for tablet in result.profile.tablets} == {3}


async def test_no_groups_are_found_where_nothing_matches(shop: tuple[Shop, str]) -> None:
    made, _ = shop
    assert await made.search(3, group_by="colour", filter="id == 0") == [[]] * 5
    assert await made.search(3, group_by="colour", filter="shelf > 100") == [[]] * 5


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"offset": -1}, LimitExceeded, "offset is 0 or more"),
        ({"offset": 9_999}, LimitExceeded, "offset + k is at most 10000"),
        ({"radius": float("nan")}, Rejected, "radius"),
        ({"radius": 1e39}, Rejected, "radius"),
        ({"group_size": 2}, Rejected, "group_by"),
        ({"group_by": "shelf", "group_size": 0}, LimitExceeded, "group_size"),
        ({"group_by": "shelf", "group_size": GROUP_SIZE_MAX + 1}, LimitExceeded, "group_size"),
        ({"group_by": "shelf", "group_size": 100, "k": 101}, LimitExceeded, "(offset + k) * group_size"),
        ({"group_by": "nothing"}, FieldNotFound, "nothing"),
        ({"group_by": "tags"}, TypeMismatch, "array"),
        ({"group_by": "v"}, TypeMismatch, "float_vector"),
    ],
)
async def test_what_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], error: type[Exception], said: str) -> None:
    async with opened(tmp_path / "data") as engine:
        made = Shop(engine, 1)
        await made.fill("l2")
        with pytest.raises(error) as refused:
            await run(engine, Search("shop", made.queries, **{"k": 2, **changes}))
        assert said in str(refused.value)


async def test_queries_times_the_depth_of_their_rankings_are_limited(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as engine:
        made = Shop(engine, 1)
        await made.fill("l2")
        with pytest.raises(LimitExceeded, match="queries times offset"):
            await run(engine, Search("shop", np.ones((101, 4), np.float32), 1, offset=9_999))
