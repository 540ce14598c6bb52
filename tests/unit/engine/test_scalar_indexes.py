"""Scalar indexes: the same answers as without, from fewer rows looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippod.engine import scalar_index
from hippod.engine.arrays import ListArray, StringArray, Values
from hippod.engine.engine import Engine
from hippod.engine.expr import compile_filter
from hippod.engine.operations import (
    Count,
    CreateScalarIndex,
    CreateTable,
    Delete,
    DeleteByQuery,
    DescribeTable,
    DropScalarIndex,
    Insert,
    ListScalarIndexes,
    Query,
    Update,
    Upsert,
)
from hippod.engine.scalar_index import ScalarIndex, SortedCells
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import AlreadyExists, FieldNotFound, HippodError, IndexNotFound, LimitExceeded, Rejected
from tests.unit.engine.harness import BOOKS, book_columns, cells, column, crash_copy, make_books, opened, run

WORDS = Schema(
    fields=(
        Field("id", DataType.INT64, primary_key=True),
        Field("n", DataType.INT8, nullable=True),
        Field("x", DataType.FLOAT, nullable=True),
        Field("word", DataType.STRING, nullable=True),
        Field("tags", DataType.ARRAY, element_type=DataType.STRING, nullable=True),
        Field("marks", DataType.ARRAY, element_type=DataType.INT16),
    )
)
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-3, 3),
        st.none() | st.sampled_from([-1.5, 0.0, 0.1, 2.25]),
        st.none() | st.sampled_from(["", "a", "ab", "b", "é"]),
        st.none() | st.lists(st.sampled_from(["a", "b", "c"]), max_size=3),
        st.lists(st.integers(-2, 2), max_size=3),
    ),
    max_size=40,
)
PARTS = st.sampled_from(
    [
        *(f"n {sign} {value}" for sign in ("==", "!=", "<", "<=", ">", ">=") for value in (-4, 0, 1, 0.5, 1_000, -1_000, "null")),
        *(f"x {sign} {value}" for sign in ("==", "<", ">=") for value in (0.1, 0, 1e300, -1e300)),
        *(f"word {sign} '{value}'" for sign in ("==", "<", "<=", ">", ">=") for value in ("", "a", "aa", "zz")),
        "n in [1, 2, 300]",
        "n not in [1]",
        "word in ['a', 'é', 'none']",
        "word like 'a%'",
        "word is null",
        "tags == 'a'",
        "tags in ['a', 'c']",
        "array_contains_all(tags, ['a', 'b'])",
        "array_contains_any(marks, [1, -2, 99999])",
        "array_contains(marks, 0)",
    ]
)
FILTERS = st.recursive(
    PARTS,
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from(["and", "or"]), part).map(lambda three: f"({' '.join(three)})"),
        part.map(lambda text: f"not ({text})"),
    ),
    max_leaves=4,
)


class Columns:
    """Rows as a filter sees them."""

    def __init__(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.rows = rows

    def _cells(self, name: str) -> list[Any]:
        at = ["n", "x", "word", "tags", "marks"].index(name)
        return [row[at] for row in self.rows]

    def values(self, name: str) -> Values:
        found = self._cells(name)
        if name in ("n", "x"):
            return np.array([cell or 0 for cell in found], np.int8 if name == "n" else np.float32)
        if name == "word":
            return StringArray.of([cell or "" for cell in found])
        offsets = np.cumsum([0, *(len(cell or ()) for cell in found)]).astype(np.int64)
        flat = [element for cell in found for element in cell or ()]
        return ListArray(offsets, StringArray.of(flat) if name == "tags" else np.array(flat, np.int16))

    def valid(self, name: str) -> Any:
        return np.array([cell is not None for cell in self._cells(name)], np.bool_)


@settings(max_examples=300, deadline=None)
@given(rows=ROWS, text=FILTERS, indexed=st.sets(st.sampled_from(["n", "x", "word", "tags", "marks"])), sorted_share=st.floats(0, 1))
def test_a_filter_selects_the_same_with_and_without_indexes(rows: list[Any], text: str, indexed: set[str], sorted_share: float) -> None:
    columns = Columns(rows)
    condition = compile_filter(text, WORDS)
    alive = np.array([i % 5 != 3 for i in range(len(rows))], np.bool_)
    covered = int(len(rows) * sorted_share)
    columns_sorted = {name: SortedCells.of(columns.values(name), columns.valid(name), covered) for name in indexed}
    found = condition.select(columns, alive, columns_sorted)
    assert found.slots.tolist() == np.flatnonzero(condition.mask(columns, len(rows)) & alive).tolist()
    assert found.examined <= len(rows)


@pytest.mark.parametrize(
    ("text", "examined_max"),
    [
        ("n == 5", 100),
        ("word == 'w77'", 10),
        ("word in ['w77', 'w78']", 20),
        ("word >= 'w99' and n > 0", 200),
        ("tags == 't77'", 10),
        ("array_contains_all(tags, ['t77', 'all'])", 10),
        ("word == 'w77' and x > 0", 10),
        ("word == 'w77' or n == 5", 110),
        ("x == 1 or n == 5", 10_000),
        ("n >= 0", 10_000),
    ],
)
def test_only_rows_that_can_match_are_looked_at(text: str, examined_max: int) -> None:
    rows: list[tuple[Any, ...]] = [(i % 100, 1.0, f"w{i % 1_000}", [f"t{i % 1_000}", "all"], []) for i in range(10_000)]
    columns = Columns(rows)
    indexes = {name: ScalarIndex().of(name, columns, len(rows)) for name in ("n", "word", "tags")}
    condition = compile_filter(text, WORDS)
    found = condition.select(columns, np.ones(len(rows), np.bool_), indexes)
    plain = condition.select(columns, np.ones(len(rows), np.bool_), {})
    assert found.slots.tolist() == plain.slots.tolist()
    assert plain.examined == 10_000
    assert found.examined <= examined_max


def test_rows_that_came_since_are_candidates_until_all_is_sorted_anew() -> None:
    columns = Columns([(i % 100, None, None, None, []) for i in range(20_000)])
    index = ScalarIndex()
    first = index.of("n", columns, 10_000)
    assert (first.covered, index.of("n", columns, 11_000) is first) == (10_000, True)
    later = index.of("n", columns, 20_000)
    assert later.covered == 20_000
    assert scalar_index._UNSORTED_MIN < 10_000


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        yield engine


async def examined(engine: Engine, condition: str) -> int:
    table = engine.table("default", "books")
    return sum(t.selector(table.filter(condition))(t.columns.alive).examined for t in table.tablets.values())


async def test_an_index_serves_filters_through_every_change_and_restart(tmp_path: Path) -> None:
    path = tmp_path / "data"
    async with opened(path) as engine:
        await make_books(engine, tablets=2)
        await run(engine, CreateScalarIndex("books", "by_title", ["title", "tags"]))
        tags = [[f"tag {i % 50}", "all"] for i in range(4_000)]
        await run(engine, Insert("books", [*book_columns(range(4_000)), column("tags", tags)]))
        assert await examined(engine, "title == 'book 70'") == 1
        assert await examined(engine, "array_contains(tags, 'tag 7')") == 80
        await run(engine, Update("books", [column("id", [70, 71]), column("title", ["new", "new"])]))
        await run(engine, Upsert("books", book_columns([5_000], title=["new"])))
        await run(engine, Delete("books", column("id", [71])))
        assert (await run(engine, Count("books", "title == 'book 70'"))).count == 0
        assert cells((await run(engine, Query("books", "title == 'new'", ["id"]))).columns, "id") == [70, 5_000]
        assert (await run(engine, DeleteByQuery("books", "title == 'new' and id < 100"))).count == 1
        (info,) = (await run(engine, ListScalarIndexes("books"))).indexes
        assert (info.index, info.fields) == ("by_title", ["title", "tags"])
        assert info.memory_bytes > 0
        copy = crash_copy(path)
    async with opened(copy) as engine:
        assert (await run(engine, DescribeTable("books"))).scalar_indexes[0].fields == ["title", "tags"]
        assert await examined(engine, "title == 'new'") == 1
        await run(engine, DropScalarIndex("books", "by_title"))
        assert await examined(engine, "title == 'new'") > 3_000
        assert (await run(engine, Count("books", "title == 'new'"))).count == 1
    async with opened(copy) as engine:
        assert (await run(engine, ListScalarIndexes("books"))).indexes == []


@pytest.mark.parametrize(
    ("operation", "error", "words"),
    [
        (CreateScalarIndex("books", "ix", []), LimitExceeded, "1 to 16"),
        (CreateScalarIndex("books", "ix", ["none"]), FieldNotFound, "none"),
        (CreateScalarIndex("books", "ix", ["title", "title"]), Rejected, "twice"),
        (CreateScalarIndex("books", "ix", ["v"]), Rejected, "float_vector"),
        (CreateScalarIndex("books", "a,b", ["title"]), Rejected, "a,b"),
        (CreateScalarIndex("books", "there", ["pages"]), AlreadyExists, "there"),
        (DropScalarIndex("books", "none"), IndexNotFound, "none"),
    ],
)
async def test_bad_scalar_indexes_are_refused(engine: Engine, operation: Any, error: type[HippodError], words: str) -> None:
    await run(engine, CreateTable("books", BOOKS))
    await run(engine, CreateScalarIndex("books", "there", ["title"]))
    with pytest.raises(error, match=words):
        await run(engine, operation)
