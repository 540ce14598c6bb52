"""Lists that come in pages: every row once, whatever is written meanwhile, and nothing kept at the server."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hippod.engine import search as searching
from hippod.engine.arrays import SparseArray
from hippod.engine.cursors import QueryCursor, RankingCursor, encode_cursor
from hippod.engine.engine import Engine
from hippod.engine.index.exact import Hits
from hippod.engine.one_moment import Found
from hippod.engine.operations import (
    ActivateIndex,
    CreateIndex,
    CreateTable,
    Delete,
    Insert,
    Query,
    SearchPage,
    Upsert,
)
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import HippodError, LimitExceeded, Rejected
from tests.unit.engine.harness import cells, column, opened, run

ROWS = 120
QUERY = np.array([[0.0, 0.0]], np.float32)
Between = Callable[[int], Awaitable[None]]


def schema(key: DataType) -> Schema:
    return Schema(
        fields=(
            Field("id", key, primary_key=True, max_length=20 if key.is_string else None),
            Field("n", DataType.INT32),
            Field("v", DataType.FLOAT_VECTOR, dimension=2),
        )
    )


class Shelf:
    """Rows whose keys are numbers or texts; many have the same vector as others, so that keys decide about their order."""

    def __init__(self, engine: Engine, key: DataType, metric: str) -> None:
        rng = np.random.default_rng(5)
        self.engine, self.is_text, self.metric = engine, key.is_string, metric
        self.v = rng.integers(1, 6, size=(ROWS + 50, 2)).astype(np.float32)
        self.live = set(range(ROWS))

    def key(self, row: int) -> int | str:
        return f"k{row * 7 % 1000:03}" if self.is_text else row * 7 % 1000

    def columns(self, rows: list[int], **others: Any) -> list[Any]:
        return [
            column("id", [self.key(row) for row in rows]),
            column("n", np.array([row % 10 for row in rows], np.int32)),
            column("v", others.get("v", self.v[rows])),
        ]

    async def fill(self, key: DataType, tablets: int) -> None:
        await run(self.engine, CreateTable("shelf", schema(key), tablets=tablets))
        await run(self.engine, CreateIndex("shelf", "ix", "v", type="FLAT", metric=self.metric))
        await run(self.engine, ActivateIndex("shelf", "ix"))
        await run(self.engine, Insert("shelf", self.columns(list(range(ROWS)))))

    def ranked(self, query: Any = QUERY, below: int = 10) -> list[int | str]:
        """The keys of all living rows, best first, by hand."""
        rows = self.v.astype(float)
        orders = ((rows - query[0]) ** 2).sum(axis=1) if self.metric == "l2" else -(rows @ query[0].astype(float))
        return [key for _, key in sorted((float(orders[row]), self.key(row)) for row in self.live if row % 10 < below)]

    async def search_pages(self, k: int, between: Between | None = None, query: Any = QUERY, **others: Any) -> list[list[int | str]]:
        pages, after = [], None
        while True:
            page = await run(self.engine, SearchPage("shelf", query, k, after=after, **others))
            pages.append(cells(page.columns, "id"))
            assert len(page.scores) == len(pages[-1]) <= k
            after = page.next
            if after is None:
                return pages
            if between is not None:
                await between(len(pages))

    async def query_pages(self, limit: int, between: Between | None = None, **others: Any) -> list[list[int | str]]:
        pages, after = [], None
        while True:
            page = await run(self.engine, Query("shelf", limit=limit, after=after, **others))
            pages.append(cells(page.columns, "id"))
            after = page.next
            if after is None:
                return pages
            if between is not None:
                await between(len(pages))


@pytest.fixture(params=[(DataType.INT64, 1, "l2"), (DataType.VARCHAR, 3, "ip")], ids=["ints, one tablet", "texts, three tablets"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    key, tablets, metric = request.param
    async with opened(tmp_path / "data") as engine:
        made = Shelf(engine, key, metric)
        await made.fill(key, tablets)
        yield made


def joined(pages: list[list[int | str]]) -> list[int | str]:
    return [key for page in pages for key in page]


@pytest.mark.parametrize("limit", [1, 7, 60, 119, 120, 500])
@pytest.mark.parametrize("filter", ["", "n < 5"])
async def test_pages_of_a_query_are_the_rows_in_key_order(shelf: Shelf, limit: int, filter: str) -> None:
    pages = await shelf.query_pages(limit, filter=filter)
    assert joined(pages) == sorted(shelf.key(row) for row in shelf.live if not filter or row % 10 < 5)
    assert all(len(page) == limit for page in pages[:-1])
    assert pages[-1]


@pytest.mark.parametrize("k", [1, 7, 60, 119, 120, 500])
@pytest.mark.parametrize("below", [10, 4])
async def test_pages_of_a_ranking_are_all_rows_best_first(shelf: Shelf, k: int, below: int) -> None:
    query = QUERY if shelf.metric == "l2" else np.array([[1.0, 2.0]], np.float32)
    filter = f"n < {below}" if below < 10 else ""
    pages = await shelf.search_pages(k, query=query, filter=filter)
    wanted = shelf.ranked(query, below)
    assert sorted(map(str, joined(pages))) == sorted(map(str, wanted))
    assert len(pages) <= -(-len(wanted) // k) + 1
    # The first page is the index's, which orders rows of one score as it likes.
    left = [key for key in wanted if key not in pages[0]]
    assert joined(pages[1:]) == left


async def test_what_the_index_missed_comes_on_the_second_page(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    nearest: Any = searching._nearest

    async def forgetful(*asked: Any) -> Found:
        """An index that misses the three best rows of each tablet."""
        found: Found = await nearest(*asked[:-1], asked[-1] + 3)
        cut = [Hits(h.slots[:, 3:], h.scores[:, 3:], np.maximum(h.counts - 3, 0).astype(np.int32)) for h in found.hits]
        return Found(found.parts, cut)

    monkeypatch.setattr(searching, "_nearest", forgetful)
    query = np.array([[1.0, 2.0]], np.float32)
    pages = await shelf.search_pages(20, query=query)
    best = shelf.ranked(query)
    assert best[0] not in pages[0]
    assert pages[1][0] == best[0]
    assert sorted(map(str, joined(pages))) == sorted(map(str, best))


async def test_a_radius_ends_the_ranking(shelf: Shelf) -> None:
    query = np.array([[1.0, 2.0]], np.float32)
    rows = shelf.v[:ROWS].astype(float)
    orders = ((rows - query[0]) ** 2).sum(axis=1) if shelf.metric == "l2" else -(rows @ query[0])
    bound = float(np.sort(orders)[50])
    pages = await shelf.search_pages(20, query=query, radius=bound if shelf.metric == "l2" else -bound)
    assert len(joined(pages)) == int((orders <= bound).sum())
    assert len(set(joined(pages))) == len(joined(pages))


async def test_rows_of_a_table_that_is_written_come_at_most_once(shelf: Shelf) -> None:
    """Rows that stay come once; those replaced or deleted before their turn fall out; new ones do not come."""
    touched: set[int | str] = set()

    async def write(page: int) -> None:
        worse, gone = [page, page + 60], [page + 20, page + 80]
        far = np.full((2, 2), 9 if shelf.metric == "l2" else 0.5, np.float32)
        await run(shelf.engine, Upsert("shelf", shelf.columns(worse, v=far)))
        await run(shelf.engine, Delete("shelf", column("id", [shelf.key(row) for row in gone])))
        await run(shelf.engine, Insert("shelf", shelf.columns([ROWS + page])))
        touched.update(shelf.key(row) for row in worse + gone)

    came = joined(await shelf.search_pages(10, write, query=np.array([[1.0, 2.0]], np.float32)))
    everything = {shelf.key(row) for row in range(ROWS)}
    assert len(came) == len(set(came))
    assert everything - touched <= set(came) <= everything
    assert set(came) & touched
    assert touched - set(came)


async def test_a_query_of_a_table_that_is_written_never_repeats_a_row(shelf: Shelf) -> None:
    async def write(page: int) -> None:
        await run(shelf.engine, Upsert("shelf", shelf.columns([page, page + 30, ROWS + page])))
        await run(shelf.engine, Delete("shelf", column("id", [shelf.key(page + 60)])))
        shelf.live.discard(page + 60)

    came = joined(await shelf.query_pages(15, write))
    assert came == sorted(set(came))
    assert {shelf.key(row) for row in shelf.live} <= set(came)
    assert set(came) & {shelf.key(row) for row in range(ROWS, ROWS + 10)}


async def test_an_offset_counts_from_the_last_row_of_the_page_before(shelf: Shelf) -> None:
    keys = sorted(shelf.key(row) for row in shelf.live)
    first = await run(shelf.engine, Query("shelf", limit=10))
    later = await run(shelf.engine, Query("shelf", limit=10, offset=5, after=first.next))
    assert cells(later.columns, "id") == keys[15:25]


async def test_a_list_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as engine:
        shelf = Shelf(engine, DataType.INT64, "l2")
        await shelf.fill(DataType.INT64, 2)
        first = await run(engine, SearchPage("shelf", QUERY, 30))
        second = await run(engine, SearchPage("shelf", QUERY, 30, after=first.next))
        listed = await run(engine, Query("shelf", limit=40))
        given = cells(first.columns, "id") + cells(second.columns, "id")
        await run(engine, Delete("shelf", column("id", given[:5] + given[35:40])))
        await run(engine, Insert("shelf", shelf.columns([ROWS, ROWS + 1])))
    async with opened(tmp_path / "data") as engine:
        shelf.engine = engine
        after, came = second.next, list(given)
        while after is not None:
            page = await run(engine, SearchPage("shelf", QUERY, 30, after=after))
            came += cells(page.columns, "id")
            after = page.next
        assert sorted(came) == sorted(shelf.key(row) for row in range(ROWS))
        rest = await run(engine, Query("shelf", limit=1_000, after=listed.next))
        assert min(cells(rest.columns, "id")) > max(cells(listed.columns, "id"))


@pytest.mark.parametrize(
    ("field", "kind", "metric"),
    [("b", "BIN_FLAT", "hamming"), ("b", "BIN_FLAT", "jaccard"), ("s", "SPARSE_HNSW", "ip")],
)
async def test_rankings_of_binary_and_sparse_vectors_come_whole(tmp_path: Path, field: str, kind: str, metric: str) -> None:
    made = Schema(
        fields=(
            Field("id", DataType.INT64, primary_key=True),
            Field("b", DataType.BINARY_VECTOR, dimension=8),
            Field("s", DataType.SPARSE_FLOAT_VECTOR),
        )
    )
    count = 50
    sparse = SparseArray(np.arange(count + 1), np.arange(count, dtype=np.uint32) % 3, np.ones(count, np.float32))
    bits = (np.arange(count, dtype=np.uint8) % 7)[:, None]
    query: Any = bits[3:4] if field == "b" else sparse[1:2].compact()
    async with opened(tmp_path / "data") as engine:
        await run(engine, CreateTable("t", made, tablets=2))
        await run(engine, CreateIndex("t", "ix", field, type=kind, metric=metric))
        await run(engine, ActivateIndex("t", "ix"))
        empty = msgspec.structs.replace(column("s", [0] * count), values=sparse)
        await run(engine, Insert("t", [column("id", np.arange(count)), column("b", bits), empty]))
        pages: list[Any] = []
        after = None
        while not pages or after is not None:
            pages.append(await run(engine, SearchPage("t", query, 8, field=field, after=after)))
            after = pages[-1].next
        assert sorted(i for page in pages for i in cells(page.columns, "id")) == list(range(count))
        scores = np.concatenate([page.scores for page in pages])
        assert (np.diff(-scores if metric == "ip" else scores) >= 0).all()


def changed(cursor: str, **changes: Any) -> str:
    decoded = msgspec.msgpack.decode(base64.urlsafe_b64decode(cursor), type=RankingCursor)
    return encode_cursor(msgspec.structs.replace(decoded, **changes))


@pytest.mark.parametrize(
    "broken",
    [
        lambda _: "",
        lambda _: "not a cursor",
        lambda _: "AAAA",
        lambda _: "\u20ac",
        lambda cursor: cursor[:-4],
        lambda cursor: changed(cursor, table=77),
        lambda cursor: changed(cursor, index=77),
        lambda cursor: changed(cursor, seen=-1),
        lambda cursor: changed(cursor, newest={0: 1 << 63}),
        lambda cursor: changed(cursor, newest={0: -1}),
        lambda cursor: changed(cursor, given={0: b"1234567"}),
        lambda cursor: changed(cursor, score=float("nan"), key=1),
        lambda cursor: changed(cursor, score=1.0, key="a"),
        lambda cursor: changed(cursor, score=1.0, key=None),
        lambda _: encode_cursor(QueryCursor(1, 5)),
    ],
)
async def test_a_cursor_that_no_page_gave_is_refused(tmp_path: Path, broken: Callable[[str], str]) -> None:
    async with opened(tmp_path / "data") as engine:
        await Shelf(engine, DataType.INT64, "l2").fill(DataType.INT64, 1)
        cursor = (await run(engine, SearchPage("shelf", QUERY, 10))).next
        with pytest.raises(Rejected, match="after is"):
            await run(engine, SearchPage("shelf", QUERY, 10, after=broken(cursor)))


@pytest.mark.parametrize("cursor", ["", "x", encode_cursor(QueryCursor(2, 5)), encode_cursor(QueryCursor(1, "a"))])
async def test_a_cursor_that_no_query_gave_is_refused(tmp_path: Path, cursor: str) -> None:
    async with opened(tmp_path / "data") as engine:
        await Shelf(engine, DataType.INT64, "l2").fill(DataType.INT64, 1)
        with pytest.raises(Rejected, match="after is"):
            await run(engine, Query("shelf", after=cursor))


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"vectors": np.ones((2, 2), np.float32)}, LimitExceeded, "one query, not 2"),
        ({"k": 0}, LimitExceeded, "k is from 1"),
        ({"k": 10_001}, LimitExceeded, "k is from 1"),
        ({"radius": float("inf")}, Rejected, "radius"),
    ],
)
async def test_what_a_page_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], error: type[HippodError], said: str) -> None:
    async with opened(tmp_path / "data") as engine:
        await Shelf(engine, DataType.INT64, "l2").fill(DataType.INT64, 1)
        with pytest.raises(error, match=said):
            await run(engine, SearchPage("shelf", **{"vectors": QUERY, **changes}))
