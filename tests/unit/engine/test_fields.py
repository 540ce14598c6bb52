"""Fields of a table that lives are added, dropped and renamed, between writes, over restarts and crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hippod.engine.engine import Engine
from hippod.engine.operations import (
    ActivateIndex,
    AddFields,
    CloseTables,
    Count,
    CreateIndex,
    CreateTable,
    Delete,
    DescribeTable,
    DropFields,
    DropIndex,
    Get,
    Insert,
    OpenTables,
    Partitioning,
    PartitionKind,
    Query,
    RenameFields,
    Search,
    Update,
    Upsert,
)
from hippod.engine.schema import FIELDS_MAX, DataType, Field
from hippod.engine.store.row_store import RowStore
from hippod.errors import FieldNotFound, FilterError, LimitExceeded, Rejected, TableClosed
from tests.unit.engine.harness import BOOKS, SHIVA, book_columns, cells, column, crash_copy, make_books, opened, run, vectors

RATING = Field("rating", DataType.DOUBLE, default=2.5)
NOTE = Field("note", DataType.STRING, nullable=True)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        await make_books(engine, 6, tablets=2)
        yield engine


async def rows(engine: Engine, *names: str, where: str = "") -> list[list[Any]]:
    """The fields of the rows that match, a list a field."""
    answer = await run(engine, Query("books", where, list(names)))
    return [cells(answer.columns, name) for name in names]


async def names_of(engine: Engine) -> list[str]:
    return [field.name for field in (await run(engine, DescribeTable("books"))).schema.fields]


async def assert_same_after_crash_and_restart(engine: Engine, *names: str) -> None:
    """What a crash of now and what a stop leaves gives the same rows as are in memory."""
    expected = await rows(engine, *names)
    copy = crash_copy(engine.directory.path)
    for _ in range(2):
        async with opened(copy) as again:
            assert await rows(again, *names) == expected


async def test_rows_that_exist_get_the_default_or_null_of_an_added_field(engine: Engine) -> None:
    await run(engine, AddFields("books", [RATING, NOTE]))
    assert await names_of(engine) == ["id", "title", "pages", "price", "tags", "v", "rating", "note"]
    await run(engine, Insert("books", book_columns([6], rating=[9.0], note=["good"])))
    await run(engine, Insert("books", book_columns([7])))
    await run(engine, Update("books", [column("id", [0]), column("note", ["bad"])]))
    assert await rows(engine, "rating", "note") == [[2.5] * 6 + [9.0, 2.5], ["bad", *[None] * 5, "good", None]]
    assert await rows(engine, "id", where="rating == 2.5 and note is null") == [[1, 2, 3, 4, 5, 7]]
    await assert_same_after_crash_and_restart(engine, "id", "rating", "note")


async def test_every_scalar_type_can_be_added(engine: Engine) -> None:
    scalars = [t for t in DataType if not Field("f", t).is_vector and t not in (DataType.CHAR, DataType.VARCHAR, DataType.VARCHAR2)]
    fields = [Field(f"f_{t}", t, nullable=True, element_type=DataType.INT8 if t is DataType.ARRAY else None) for t in scalars]
    await run(engine, AddFields("books", fields))
    assert await rows(engine, *(field.name for field in fields)) == [[None] * 6] * len(fields)
    await assert_same_after_crash_and_restart(engine, *(field.name for field in fields))


async def test_a_field_with_neither_default_nor_null_is_added_to_a_table_without_rows_only(engine: Engine) -> None:
    required = Field("shelf", DataType.INT32)
    with pytest.raises(Rejected, match="needs a default, or must be nullable"):
        await run(engine, AddFields("books", [required]))
    await run(engine, Delete("books", column("id", list(range(6)))))
    await run(engine, AddFields("books", [required]))
    await run(engine, Insert("books", book_columns([1], shelf=[4])))
    with pytest.raises(Rejected, match="'shelf' is required"):
        await run(engine, Insert("books", book_columns([2])))
    assert await rows(engine, "id", "shelf") == [[1], [4]]
    await assert_same_after_crash_and_restart(engine, "id", "shelf")


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ([], Rejected, "one field or more"),
        ([Field("w", DataType.FLOAT_VECTOR, dimension=2)], Rejected, "neither a vector nor a primary key"),
        ([Field("k", DataType.INT64, primary_key=True)], Rejected, "neither a vector nor a primary key"),
        ([Field("title", DataType.INT64, nullable=True)], Rejected, "declared twice"),
        ([NOTE, NOTE], Rejected, "declared twice"),
        ([Field("x", DataType.INT8, default=1_000)], Rejected, "does not fit"),
        ([Field(f"f{i}", DataType.INT8, nullable=True) for i in range(FIELDS_MAX)], LimitExceeded, str(FIELDS_MAX)),
    ],
)
async def test_fields_that_cannot_be_added_are_refused(engine: Engine, fields: list[Field], error: type[Rejected], message: str) -> None:
    before = await names_of(engine)
    with pytest.raises(error, match=message):
        await run(engine, AddFields("books", fields))
    assert await names_of(engine) == before


async def test_a_dropped_field_is_gone_and_its_cells_do_not_come_back_under_its_name(engine: Engine) -> None:
    await run(engine, Update("books", [column("id", [1]), column("pages", [77])]))
    await run(engine, DropFields("books", ["pages", "tags"]))
    assert await names_of(engine) == ["id", "title", "price", "v"]
    with pytest.raises(FieldNotFound):
        await run(engine, Query("books", output_fields=["pages"]))
    with pytest.raises(FilterError):
        await run(engine, Count("books", "pages > 1"))
    with pytest.raises(FieldNotFound):
        await run(engine, Insert("books", book_columns([8], pages=[1])))
    await run(engine, AddFields("books", [Field("pages", DataType.INT32, nullable=True)]))
    await run(engine, Upsert("books", book_columns([8], pages=[5])))
    assert await rows(engine, "pages") == [[None] * 6 + [5]]
    await assert_same_after_crash_and_restart(engine, "id", "pages", "price")


async def test_a_vector_field_is_dropped_with_its_file(engine: Engine) -> None:
    assert list(engine.directory.path.glob("vectors/*/*"))
    await run(engine, DropFields("books", ["v"]))
    assert not list(engine.directory.path.glob("vectors/*/*"))
    with pytest.raises(FieldNotFound):
        await run(engine, Get("books", column("id", [1]), ["v"]))
    await run(engine, Insert("books", book_columns([6], v=None)))
    await assert_same_after_crash_and_restart(engine, "id", "title")


async def test_key_indexed_and_partition_fields_are_not_dropped(engine: Engine) -> None:
    await run(engine, CreateIndex("books", "i", "v", type="FLAT"))
    by_price = Partitioning(PartitionKind.HASH, ["pages"], count=2)
    await run(engine, CreateTable("parted", BOOKS, partitioning=by_price))
    for table, name, message in (("books", "id", "primary key"), ("books", "v", "index 'i'"), ("parted", "pages", "partitioned by")):
        with pytest.raises(Rejected, match=message):
            await run(engine, DropFields(table, ["title", name]))
    with pytest.raises(FieldNotFound):
        await run(engine, DropFields("books", ["nope"]))
    with pytest.raises(Rejected, match="one name or more"):
        await run(engine, DropFields("books", []))
    assert len(await names_of(engine)) == 6
    await run(engine, DropIndex("books", "i"))
    await run(engine, DropFields("books", ["v"]))


async def test_a_renamed_field_keeps_its_cells_and_its_index(engine: Engine) -> None:
    await run(engine, CreateIndex("books", "i", "v", type="FLAT"))
    await run(engine, ActivateIndex("books", "i"))
    await run(engine, RenameFields("books", {"id": "isbn", "title": "name", "v": "embedding"}))
    assert await rows(engine, "isbn", where="name == 'book 3' or isbn in [1]") == [[1, 3]]
    found = await run(engine, Search("books", vectors([3, 1, 0, 0]), 1, field="embedding"))
    assert (cells(found.columns, "isbn"), found.key) == ([3], "isbn")
    await run(engine, Insert("books", [column("isbn", [9]), column("name", ["n"]), column("embedding", vectors([9, 9, 9, 9]))]))
    await assert_same_after_crash_and_restart(engine, "isbn", "name", "embedding")


async def test_fields_change_places_in_one_rename(engine: Engine) -> None:
    await run(engine, AddFields("books", [Field("a", DataType.INT32, default=1), Field("b", DataType.INT32, default=2)]))
    assert (await run(engine, Count("books", "a == 1 and b == 2"))).count == 6
    await run(engine, RenameFields("books", {"a": "b", "b": "a"}))
    assert (await run(engine, Count("books", "a == 1 and b == 2"))).count == 0
    assert await rows(engine, "a", "b", where="a == 2 and b == 1") == [[2] * 6, [1] * 6]
    await assert_same_after_crash_and_restart(engine, "id", "a", "b")


@pytest.mark.parametrize(
    ("names", "error"),
    [({}, Rejected), ({"nope": "x"}, FieldNotFound), ({"pages": "title"}, Rejected), ({"pages": "a b"}, Rejected)],
)
async def test_a_wrong_rename_changes_nothing(engine: Engine, names: dict[str, str], error: type[Rejected]) -> None:
    before = await names_of(engine)
    with pytest.raises(error):
        await run(engine, RenameFields("books", {"price": "cost", **names} if names else {}))
    assert await names_of(engine) == before


async def test_writes_around_a_change_are_checked_against_the_fields_of_their_turn(engine: Engine) -> None:
    operations = [
        Insert("books", book_columns([10])),
        AddFields("books", [NOTE]),
        Insert("books", book_columns([11], note=["seen"])),
        RenameFields("books", {"note": "remark"}),
        Insert("books", book_columns([12], note=["too late"])),
        Insert("books", book_columns([13], remark=["seen"])),
        DropFields("books", ["remark"]),
        Insert("books", book_columns([14])),
    ]
    futures = []
    for operation in operations:
        futures.append(engine.submit(operation, SHIVA))
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert [isinstance(outcome, FieldNotFound) for outcome in outcomes] == [at == 4 for at in range(8)]
    assert (await rows(engine, "id"))[0] == [*range(6), 10, 11, 13, 14]
    await assert_same_after_crash_and_restart(engine, "id", "title")


async def test_reads_under_way_end_with_their_own_fields_or_say_that_one_is_gone(engine: Engine) -> None:
    await run(engine, AddFields("books", [Field("a", DataType.INT32, default=1), Field("b", DataType.STRING, default="x")]))
    reads = [asyncio.ensure_future(rows(engine, "id", "a", where=f"a == 1 and b == 'x' and id >= {low}")) for low in range(6)]
    await asyncio.sleep(0)
    await run(engine, RenameFields("books", {"a": "b", "b": "a"}))
    await run(engine, DropFields("books", ["a", "b"]))
    for low, outcome in enumerate(await asyncio.gather(*reads, return_exceptions=True)):
        assert isinstance(outcome, FieldNotFound) or outcome == [list(range(low, 6)), [1] * (6 - low)]


@pytest.mark.parametrize("restart", [False, True])
async def test_cells_of_a_dropped_field_leave_the_disk_with_the_next_rewrite(tmp_path: Path, restart: bool) -> None:
    path = tmp_path / "data"

    async def rewrite(engine: Engine) -> None:
        await run(engine, Delete("books", column("id", [0, 1, 2, 3])))
        await run(engine, Insert("books", book_columns([20], title=None)))
        await engine.checkpointer.flush()
        store: RowStore = engine.store
        blocks = [block for tablet in (0, 1) for block, _ in store.load_blocks(engine.catalog.table("default", "books").number, tablet)]
        assert blocks
        assert all(2 not in block.columns for block in blocks)

    async with opened(path) as engine:
        await make_books(engine, 6, tablets=2)
        await run(engine, DropFields("books", ["title"]))
        if not restart:
            await rewrite(engine)
    if restart:
        async with opened(path) as engine:
            await rewrite(engine)


async def test_a_closed_table_must_be_opened_first_and_finds_its_new_fields_afterwards(engine: Engine) -> None:
    await run(engine, AddFields("books", [RATING]))
    await run(engine, DropFields("books", ["pages"]))
    await run(engine, CloseTables("books"))
    with pytest.raises(TableClosed):
        await run(engine, AddFields("books", [NOTE]))
    await run(engine, OpenTables("books"))
    assert await rows(engine, "id", "rating") == [list(range(6)), [2.5] * 6]


async def test_a_name_that_is_taken_is_free_after_the_field_was_dropped(engine: Engine) -> None:
    with pytest.raises(Rejected, match="declared twice"):
        await run(engine, RenameFields("books", {"price": "pages"}))
    await run(engine, DropFields("books", ["pages"]))
    await run(engine, RenameFields("books", {"price": "pages"}))
    assert await rows(engine, "pages") == [[9.5] * 6]
