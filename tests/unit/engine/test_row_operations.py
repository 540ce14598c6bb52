"""Insert, update, upsert, delete, get, query and count, through the engine on real files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from hippod.engine.arrays import Column
from hippod.engine.engine import Engine
from hippod.engine.operations import Count, CreateTable, Delete, DeleteByQuery, DropTable, Get, Insert, Query, Update, Upsert
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import FieldNotFound, FilterError, InvalidVector, LimitExceeded, Rejected, TableNotFound, TypeMismatch
from tests.unit.engine.harness import SHIVA, book_columns, cells, column, make_books, opened, run, vectors


@pytest.fixture(params=[1, 3])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        await make_books(engine, tablets=request.param)
        yield engine


async def get_titles(engine: Engine, ids: list[int]) -> dict[int, str]:
    answer = await run(engine, Get("books", column("id", ids), ["id", "title"]))
    return dict(zip(cells(answer.columns, "id"), cells(answer.columns, "title"), strict=True))


async def test_inserted_rows_are_read_back_with_defaults_and_nulls(engine: Engine) -> None:
    columns = [*book_columns([1, 2]), column("tags", [["a", "b"], []])]
    result = await run(engine, Insert("books", columns))
    assert (result.count, result.failures) == (2, [])
    answer = await run(engine, Get("books", column("id", [2, 1])))
    assert cells(answer.columns, "id") == [2, 1]
    assert cells(answer.columns, "title") == ["book 2", "book 1"]
    assert cells(answer.columns, "pages") == [None, None]
    assert cells(answer.columns, "price") == [9.5, 9.5]
    assert cells(answer.columns, "tags") == [[], ["a", "b"]]
    assert cells(answer.columns, "v") == [[2.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]


async def test_insert_fails_by_row_where_the_key_exists_or_repeats(engine: Engine) -> None:
    await run(engine, Insert("books", book_columns([1])))
    result = await run(engine, Insert("books", book_columns([5, 1, 6, 5], title=["five", "one", "six", "again"])))
    assert result.count == 2
    assert [(f.position, f.code) for f in result.failures] == [(1, "ALREADY_EXISTS"), (3, "ALREADY_EXISTS")]
    assert await get_titles(engine, [1, 5, 6]) == {1: "book 1", 5: "five", 6: "six"}


async def test_upsert_replaces_whole_rows_and_the_last_of_equal_keys_wins(engine: Engine) -> None:
    await run(engine, Insert("books", [*book_columns([1]), column("pages", [7])]))
    result = await run(engine, Upsert("books", book_columns([1, 2, 1], title=["x", "two", "y"])))
    assert (result.count, result.failures) == (3, [])
    assert await get_titles(engine, [1, 2]) == {1: "y", 2: "two"}
    answer = await run(engine, Get("books", column("id", [1]), ["pages"]))
    assert cells(answer.columns, "pages") == [None]
    assert (await run(engine, Count("books"))).count == 2


async def test_update_changes_only_the_fields_sent(engine: Engine) -> None:
    await run(engine, Insert("books", book_columns([1, 2])))
    result = await run(engine, Update("books", [column("id", [2, 9]), column("pages", [300, 1])]))
    assert result.count == 1
    assert [(f.position, f.code) for f in result.failures] == [(1, "NOT_FOUND")]
    answer = await run(engine, Query("books", output_fields=["id", "title", "pages"]))
    assert cells(answer.columns, "title") == ["book 1", "book 2"]
    assert cells(answer.columns, "pages") == [None, 300]


async def test_delete_fails_by_row_for_missing_and_repeated_keys(engine: Engine) -> None:
    await run(engine, Insert("books", book_columns(range(5))))
    result = await run(engine, Delete("books", column("id", [3, 77, 3])))
    assert result.count == 1
    assert [(f.position, f.code) for f in result.failures] == [(1, "NOT_FOUND"), (2, "NOT_FOUND")]
    assert (await run(engine, Count("books"))).count == 4
    again = await run(engine, Insert("books", book_columns([3], title=["back"])))
    assert again.count == 1
    assert await get_titles(engine, [3]) == {3: "back"}


async def test_delete_by_query_removes_what_matches_and_refuses_an_empty_filter(engine: Engine) -> None:
    await run(engine, Insert("books", book_columns(range(10))))
    assert (await run(engine, DeleteByQuery("books", "id >= 4 and id < 8"))).count == 4
    answer = await run(engine, Query("books", output_fields=["id"]))
    assert cells(answer.columns, "id") == [0, 1, 2, 3, 8, 9]
    with pytest.raises(Rejected, match="needs a filter"):
        await run(engine, DeleteByQuery("books", "  "))


async def test_query_pages_in_primary_key_order(engine: Engine) -> None:
    await run(engine, Insert("books", book_columns([9, 3, 7, 1, 5])))
    answer = await run(engine, Query("books", "id > 1", ["id"], limit=2, offset=1))
    assert (cells(answer.columns, "id"), answer.rows) == ([5, 7], 2)
    assert (await run(engine, Query("books", "id > 100", ["id"]))).rows == 0
    assert (await run(engine, Count("books", "title == 'book 7'"))).count == 1


async def test_concurrent_writes_to_one_key_keep_exactly_one_row(engine: Engine) -> None:
    writes = [engine.submit(Upsert("books", book_columns([1], title=[f"t{i}"])), SHIVA) for i in range(50)]
    writes += [engine.submit(Delete("books", column("id", [1])), SHIVA), engine.submit(Insert("books", book_columns([1])), SHIVA)]
    for write in writes:
        await write
    assert (await run(engine, Count("books"))).count == 1
    assert await get_titles(engine, [1]) == {1: "book 1"}


async def test_one_bad_request_in_a_group_does_not_fail_the_others(engine: Engine) -> None:
    bad = book_columns([2], v=vectors([float("nan"), 0, 0, 0]))
    writes = [engine.submit(Insert("books", c), SHIVA) for c in (book_columns([1]), bad, book_columns([3]))]
    assert (await writes[0]).count == 1
    with pytest.raises(InvalidVector, match="vector 0 of 'v'"):
        await writes[1]
    assert (await writes[2]).count == 1
    assert (await run(engine, Count("books"))).count == 2


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        (book_columns([1], nope=[1]), FieldNotFound, "nope"),
        (book_columns([1, 2], title=["one"]), Rejected, "1 rows"),
        (book_columns([1], id=None), Rejected, "primary key 'id' is missing"),
        (book_columns([1], title=None), Rejected, "'title' is required"),
        (book_columns([1], title=["x" * 101]), LimitExceeded, "at most 100"),
        (book_columns([1], v=vectors([1, 2, 3])), InvalidVector, "dimension 4, not 3"),
        (book_columns([1], v=vectors([1, 2, 3, 1e-40])), InvalidVector, "denormal"),
        (book_columns([1], pages=[2**40]), TypeMismatch, "does not fit int32"),
        (book_columns([1], pages=[1.5]), TypeMismatch, "does not fit int32"),
        (book_columns([1], pages=["many"]), TypeMismatch, "pages"),
        ([], Rejected, "no columns"),
    ],
)
async def test_bad_rows_are_refused_whole_with_the_field_named(
    engine: Engine, columns: list[Column], error: type[Rejected], words: str
) -> None:
    with pytest.raises(error, match=words):
        await run(engine, Insert("books", columns))
    assert (await run(engine, Count("books"))).count == 0


async def test_null_in_a_required_field_names_the_row(engine: Engine) -> None:
    columns = [*book_columns([1, 2], title=None), column("title", ["a", ""], valid=[True, False])]
    with pytest.raises(Rejected, match="not nullable, row 1"):
        await run(engine, Insert("books", columns))


async def test_unknown_table_and_broken_filter_are_named(engine: Engine) -> None:
    with pytest.raises(TableNotFound, match="table nope not exist in database default"):
        await run(engine, Count("nope"))
    with pytest.raises(FilterError) as caught:
        await run(engine, Count("books", "pages >"))
    assert caught.value.details["column"] == 8


async def test_generated_keys_are_returned_and_unique(tmp_path: Path) -> None:
    schema = Schema((Field("pk", DataType.STRING, primary_key=True), Field("n", DataType.INT8)), auto_id=True)
    numbers = Schema((Field("pk", DataType.INT64, primary_key=True), Field("n", DataType.INT8)), auto_id=True)
    async with opened(tmp_path / "data") as engine:
        await run(engine, CreateTable("s", schema))
        await run(engine, CreateTable("n", numbers))
        first = await run(engine, Insert("s", [column("n", [1, 2, 3])]))
        assert len({*first.keys.values.to_list()}) == 3
        answer = await run(engine, Get("s", first.keys, ["n"]))
        assert cells(answer.columns, "n") == [1, 2, 3]
        keys = [(await run(engine, Insert("n", [column("n", [1, 2])]))).keys.values for _ in range(3)]
        assert (np.diff(np.concatenate(keys)) > 0).all()


async def test_a_table_survives_a_restart_row_for_row(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as engine:
        await make_books(engine, 100, tablets=2)
        await run(engine, Upsert("books", book_columns(range(0, 100, 3), title=["new"] * 34)))
        await run(engine, Delete("books", column("id", [5, 50])))
        before = await run(engine, Query("books"))
    for _ in range(2):
        async with opened(tmp_path / "data") as engine:
            after = await run(engine, Query("books"))
            assert after.rows == 98
            for name in ("id", "title", "pages", "price", "tags"):
                assert cells(after.columns, name) == cells(before.columns, name)


async def test_a_write_behind_the_drop_of_its_table_is_refused_and_never_logged(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as engine:
        await make_books(engine)
        dropped = engine.submit(DropTable("books"), SHIVA)
        await asyncio.sleep(0)  # Let it take its place in the queue.
        late = engine.submit(Insert("books", book_columns([1])), SHIVA)
        await dropped
        with pytest.raises(TableNotFound, match="dropped meanwhile"):
            await late
    async with opened(tmp_path / "data") as engine:
        with pytest.raises(TableNotFound):
            await run(engine, Count("books"))
