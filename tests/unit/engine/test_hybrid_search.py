"""Hybrid searches over float, binary and sparse fields, against the same computed by plain Python over all rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hippod.engine import one_moment
from hippod.engine import search as searching
from hippod.engine.arrays import SparseArray
from hippod.engine.engine import Engine
from hippod.engine.one_moment import Found
from hippod.engine.operations import (
    ActivateIndex,
    CreateIndex,
    CreateTable,
    Delete,
    HybridSearch,
    Insert,
    PartialSearch,
    SearchWay,
    Upsert,
)
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import FieldNotFound, FilterError, HippodError, IndexNotFound, InvalidVector, LimitExceeded, Rejected, WrongState
from tests.unit.engine.harness import cells, column, opened, run

ROWS = 300
SCHEMA = Schema(
    fields=(
        Field("id", DataType.INT64, primary_key=True),
        Field("shelf", DataType.INT32),
        Field("f", DataType.FLOAT_VECTOR, dimension=3),
        Field("b", DataType.BINARY_VECTOR, dimension=304),
        Field("s", DataType.SPARSE_FLOAT_VECTOR),
    )
)


def sparse(rng: np.random.Generator, count: int) -> SparseArray:
    """Vectors with index 0 and up to 6 of 19 others, so that no two are as near to a query."""
    rows = [np.append(0, np.sort(rng.choice(19, rng.integers(0, 7), replace=False) + 1)) for _ in range(count)]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return SparseArray(offsets, np.concatenate(rows).astype(np.uint32), rng.normal(size=offsets[-1]).astype(np.float32) + 2)


class Library:
    """All rows as the test knows them: `live` by key."""

    def __init__(self, engine: Engine) -> None:
        rng = np.random.default_rng(3)
        self.engine = engine
        self.f = rng.normal(size=(ROWS, 3)).astype(np.float32)
        # Row i has so many bits set as no other: no two are at the same distance from a vector of zeros or ones.
        self.b = np.packbits(np.arange(304) < rng.permutation(ROWS)[:, None], axis=1)
        self.s = sparse(rng, ROWS)
        self.live = set(range(ROWS))
        self.queries: dict[str, Any] = {"f": self.f[:2] + 0.1, "b": np.array([[0] * 38, [255] * 38], np.uint8), "s": self.s[4:6].compact()}

    async def fill(self, tablets: int) -> None:
        await run(self.engine, CreateTable("books", SCHEMA, tablets=tablets))
        for field, kind, metric in (("f", "FLAT", "l2"), ("b", "BIN_FLAT", "hamming"), ("s", "SPARSE_HNSW", "ip")):
            await run(self.engine, CreateIndex("books", f"on_{field}", field, type=kind, metric=metric))
            await run(self.engine, ActivateIndex("books", f"on_{field}"))
        await run(self.engine, Insert("books", self.columns(range(ROWS))))

    def columns(self, ids: Any) -> list[Any]:
        at = np.array(ids)
        shelves = (at % 10).astype(np.int32)
        return [column("id", at), column("shelf", shelves), column("f", self.f[at]), column("b", self.b[at]), _column("s", self.s.take(at))]

    def swap(self, one: int, other: int) -> None:
        """Let two rows have each other's vectors from now on."""
        order = np.arange(ROWS)
        order[[one, other]] = other, one
        self.f, self.b, self.s = self.f[order], self.b[order], self.s.take(order)

    def ranking(self, field: str, query: int, k: int, shelf_below: int = 10) -> list[int]:
        """The k nearest living rows."""
        if field == "f":
            order = ((self.f.astype(float) - self.queries["f"][query]) ** 2).sum(axis=1)
        elif field == "b":
            order = np.unpackbits(self.b ^ self.queries["b"][query], axis=1).sum(axis=1).astype(float)
        else:
            dense = np.array([[row.get(i, 0.0) for i in range(20)] for row in self.s.to_list()])
            asked = self.queries["s"].to_list()[query]
            order = -(dense @ [asked.get(i, 0.0) for i in range(20)])
        kept = [i for i in np.argsort(order, kind="stable").tolist() if i in self.live and i % 10 < shelf_below]
        return kept[:k]

    def fused(self, query: int, limit: int, k: int = 40, shelf_below: int = 10) -> dict[int, float]:
        total: dict[int, float] = {}
        for field in ("f", "b", "s"):
            for rank, row in enumerate(self.ranking(field, query, k, shelf_below), 1):
                total[row] = total.get(row, 0.0) + 1 / (60 + rank)
        return dict(sorted(total.items(), key=lambda item: -item[1])[:limit])

    def asked(self, k: int = 40, **others: Any) -> HybridSearch:
        searches = [PartialSearch(self.queries[field], k, field) for field in ("f", "b", "s")]
        return HybridSearch("books", **{"searches": searches, **others})

    async def search(self, **others: Any) -> list[dict[int, float]]:
        result = await run(self.engine, self.asked(**others))
        hits = list(zip(cells(result.columns, "id"), result.scores.tolist(), strict=True))
        return [dict(hits[a:b]) for a, b in pairwise(np.cumsum([0, *result.counts.tolist()]).tolist())]


def _column(name: str, values: SparseArray) -> Any:
    return msgspec.structs.replace(column(name, [0] * len(values)), values=values)


@pytest.fixture(params=[1, 3], ids=["one tablet", "three tablets"])
async def library(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Library]:
    async with opened(tmp_path / "data") as engine:
        made = Library(engine)
        await made.fill(request.param)
        yield made


def same(found: dict[int, float], wanted: dict[int, float]) -> bool:
    """Equal scores may come in any order, so rows are compared by theirs."""
    return list(found.values()) == pytest.approx(list(wanted.values()), abs=1e-6)


async def test_rows_are_ranked_by_all_searches_together(library: Library) -> None:
    for query, hits in enumerate(await library.search(limit=20)):
        assert same(hits, library.fused(query, 20))
        assert len(hits) == 20


async def test_the_fused_score_is_that_of_the_ranks(library: Library) -> None:
    searches = [PartialSearch(library.queries["f"], 30, "f"), PartialSearch(library.queries["s"], 20, "s", weight=0.5)]
    for query, hits in enumerate(await library.search(searches=searches, limit=50, rank_constant=10.0)):
        wanted: dict[int, float] = {}
        for field, k, weight in (("f", 30, 1.0), ("s", 20, 0.5)):
            for rank, row in enumerate(library.ranking(field, query, k), 1):
                wanted[row] = wanted.get(row, 0.0) + weight / (10 + rank)
        assert hits == pytest.approx(wanted, abs=1e-6)


async def test_offset_goes_on_where_limit_ended(library: Library) -> None:
    whole = await library.search(limit=30)
    pages = [await library.search(limit=10, offset=offset) for offset in (0, 10, 20)]
    for query in range(2):
        assert [row for page in pages for row in page[query]] == list(whole[query])


async def test_each_search_has_its_filter_or_that_of_the_whole(library: Library) -> None:
    for query, hits in enumerate(await library.search(k=15, limit=20, filter="shelf < 4")):
        assert same(hits, library.fused(query, 20, k=15, shelf_below=4))
    of_its_own = [PartialSearch(library.queries["f"], 5, "f", filter="shelf == 1"), PartialSearch(library.queries["b"], 5, "b")]
    for hits in await library.search(searches=of_its_own, filter="shelf == 2"):
        assert sorted(row % 10 for row in hits) == [1] * 5 + [2] * 5
    without = [PartialSearch(library.queries["f"], 5, "f", filter=""), PartialSearch(library.queries["b"], 5, "b")]
    for query, hits in enumerate(await library.search(searches=without, filter="shelf == 2")):
        assert {row for row in hits if row % 10 != 2} <= set(library.ranking("f", query, 5))


async def test_a_radius_keeps_hits_of_one_search_out(library: Library) -> None:
    nearest = library.ranking("f", 0, 1)[0]
    bound = float(((library.f[nearest] - library.queries["f"][0]) ** 2).sum()) + 1e-4
    searches = [PartialSearch(library.queries["f"][:1], 40, "f", radius=bound), PartialSearch(library.queries["b"][:1], 3, "b")]
    (hits,) = await library.search(searches=searches)
    assert nearest in hits
    assert len(hits) in (3, 4)


async def test_nothing_is_found_where_nothing_matches(library: Library) -> None:
    assert await library.search(filter="shelf > 100") == [{}, {}]


async def test_output_fields_come_beside_the_key(library: Library) -> None:
    result = await run(library.engine, library.asked(output_fields=["shelf", "f"], limit=3))
    assert [c.field for c in result.columns] == ["id", "shelf", "f"]
    ids = cells(result.columns, "id")
    assert cells(result.columns, "shelf") == [i % 10 for i in ids]
    assert np.array_equal(np.array(cells(result.columns, "f"), np.float32), library.f[ids])


async def test_plans_and_profiles_come_one_a_search(library: Library) -> None:
    result = await run(library.engine, library.asked(explain=True, filter="shelf < 5"))
    assert [plan.index for plan in result.plans] == ["on_f", "on_b", "on_s"]
    assert {tablet.way for plan in result.plans for tablet in plan.tablets} == {SearchWay.AMONG}
    assert result.counts.tolist() == [0, 0]
    result = await run(library.engine, library.asked(profile=True))
    assert [len(profile.tablets) for profile in result.profiles] == [len(library.engine.tables[1].tablets)] * 3


@pytest.mark.parametrize("filter", ["", "shelf < 8"])
@pytest.mark.parametrize("change", ["replace", "delete", "insert", "delete much", "delete always"])
async def test_all_searches_see_the_rows_of_one_moment(library: Library, monkeypatch: pytest.MonkeyPatch, filter: str, change: str) -> None:
    """Rows are written while some of the searches are answered and others are not; the answer is that of the rows at the end."""
    nearest = searching._nearest
    engine, calls, in_turn = library.engine, 0, asyncio.Lock()
    best = list(library.fused(0, ROWS, shelf_below=8 if filter else 10))

    async def write() -> None:
        if change == "replace":
            library.swap(best[0], best[-1])
            await run(engine, Upsert("books", library.columns([best[0], best[-1]])))
        elif change == "insert":
            library.live |= {best[0], best[1]}
            await run(engine, Upsert("books", library.columns([best[0], best[1]])))
        else:
            gone = best[: 3 if change == "delete" else 60] if change != "delete always" else [i for i in best if i in library.live][:45]
            library.live -= set(gone)
            await run(engine, Delete("books", column("id", gone)))

    async def interrupted(*asked: Any) -> Found:
        """One search after the other; rows are written behind the second of them."""
        nonlocal calls
        async with in_turn:
            calls += 1
            found = await nearest(*asked)
            if calls % 3 == 2 and (calls == 2 or change == "delete always"):
                await write()
            return found

    if change == "insert":
        library.live -= {best[0], best[1]}
        await run(engine, Delete("books", column("id", best[:2])))
    monkeypatch.setattr(searching, "_nearest", interrupted)
    monkeypatch.setattr(one_moment, "_SPARES", (0, 1, 2))
    for query, hits in enumerate(await library.search(limit=25, filter=filter)):
        assert set(hits) <= library.live
        assert same(hits, library.fused(query, 25, shelf_below=8 if filter else 10))
    assert calls >= {"insert": 3, "replace": 3, "delete always": 9}.get(change, 6)


TWO = np.ones((2, 3), np.float32)


def asked(**changes: Any) -> dict[str, Any]:
    return {"vectors": np.ones((1, 3), np.float32), "field": "f", **changes}


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"searches": []}, LimitExceeded, "1 to 16 searches"),
        ({"searches": [PartialSearch(**asked())] * 17}, LimitExceeded, "1 to 16 searches"),
        ({"limit": 0}, LimitExceeded, "limit is from 1"),
        ({"offset": -1}, LimitExceeded, "offset is 0 or more"),
        ({"limit": 9_999, "offset": 2}, LimitExceeded, "offset + limit is at most 10000"),
        ({"rank_constant": -1.0}, LimitExceeded, "rank_constant"),
        ({"rank_constant": float("nan")}, LimitExceeded, "rank_constant"),
        ({"searches": [PartialSearch(**asked(weight=-1.0))]}, LimitExceeded, "searches[0]: weight"),
        ({"searches": [PartialSearch(**asked(weight=0.0))]}, Rejected, "above 0"),
        (
            {"searches": [PartialSearch(**asked()), PartialSearch(**asked(vectors=TWO))]},
            Rejected,
            "searches[1] has 2",
        ),
        ({"searches": [PartialSearch(**asked(vectors=np.ones((101, 3), np.float32), k=9_999))]}, LimitExceeded, "k of all searches"),
        ({"searches": [PartialSearch(**asked()), PartialSearch(**asked(k=0))]}, LimitExceeded, "searches[1]: k is from 1"),
        ({"searches": [PartialSearch(**asked()), PartialSearch(**asked(field="g"))]}, FieldNotFound, "searches[1]: "),
        ({"searches": [PartialSearch(**asked(index="on_g"))]}, IndexNotFound, "searches[0]: "),
        ({"searches": [PartialSearch(**asked(vectors=np.ones((1, 4), np.float32)))]}, InvalidVector, "searches[0]: "),
        ({"searches": [PartialSearch(**asked(filter="shelf >"))]}, FilterError, "searches[0]: "),
        ({"searches": [PartialSearch(**asked(radius=float("nan")))]}, Rejected, "searches[0]: radius"),
        ({"searches": [PartialSearch(**asked()), PartialSearch(**asked(params={"recall": 7}))]}, Rejected, "searches[1]: "),
        ({"output_fields": ["none"]}, FieldNotFound, "none"),
    ],
)
async def test_what_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], error: type[HippodError], said: str) -> None:
    async with opened(tmp_path / "data") as engine:
        await Library(engine).fill(1)
        with pytest.raises(error) as refused:
            await run(engine, HybridSearch("books", **{"searches": [PartialSearch(**asked())], **changes}))
        assert said in str(refused.value)
        assert type(refused.value) is error


async def test_an_index_that_is_not_active_is_named(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as engine:
        await Library(engine).fill(1)
        await run(engine, CreateIndex("books", "later", "f", type="FLAT", metric="ip"))
        with pytest.raises(WrongState, match=r"searches\[0\]: index 'later'"):
            await run(engine, HybridSearch("books", [PartialSearch(np.ones((1, 3), np.float32), 3, "f", index="later")]))
