"""Copying rows from table to table and removing them, as jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hippod.engine import copying
from hippod.engine.copying import Part
from hippod.engine.engine import Engine
from hippod.engine.handlers import copies
from hippod.engine.operations import (
    AddAlias,
    ChangeAliases,
    CopyByQuery,
    Count,
    CreateDatabase,
    CreateTable,
    DeleteMatching,
    DropTable,
    GetJob,
    Insert,
    Query,
    RemoteSource,
    WriteMode,
)
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import FieldNotFound, FilterError, HippodError, Rejected, TableNotFound, TypeMismatch
from tests.unit.engine.harness import BOOKS, book_columns, cells, column, make_books, opened, run, vectors

SHORT = Schema(
    fields=(
        Field("key", DataType.INT32, primary_key=True),
        Field("name", DataType.STRING, nullable=True),
        Field("pages", DataType.INT64, nullable=True),
    )
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        yield engine


async def books_and_copy(engine: Engine, count: int, tablets: int = 2) -> None:
    await make_books(engine, tablets=tablets)
    await run(engine, CreateTable("copy", BOOKS))
    columns = [*book_columns(range(count)), column("tags", [[f"t{i}"] * (i % 3) for i in range(count)])]
    await run(engine, Insert("books", columns))


async def test_all_fields_of_the_rows_that_match_are_copied(engine: Engine) -> None:
    await books_and_copy(engine, 50)
    job = await run(engine, CopyByQuery("books", "copy", filter="id < 20 and id != 7"))
    assert (job.status, job.rows, job.progress, job.error) == ("succeeded", 19, 1.0, None)
    names = ["id", "title", "pages", "price", "tags", "v"]
    was = await run(engine, Query("books", "id < 20 and id != 7", names))
    now = await run(engine, Query("copy", "", names))
    for name in names:
        assert cells(now.columns, name) == cells(was.columns, name)


@pytest.mark.parametrize("part_bytes", [1, 300, 1 << 20])
async def test_a_copy_in_parts_of_any_size_is_whole(engine: Engine, monkeypatch: pytest.MonkeyPatch, part_bytes: int) -> None:
    monkeypatch.setattr(copying, "_PART_BYTES", part_bytes)
    monkeypatch.setattr(copying, "_PLANNED_ROWS", 7)
    await books_and_copy(engine, 60)
    assert (await run(engine, CopyByQuery("books", "copy"))).rows == 60
    assert cells((await run(engine, Query("copy", "", ["title"]))).columns, "title") == [f"book {i}" for i in range(60)]


async def test_fields_are_renamed_and_converted_over_databases_and_aliases(engine: Engine) -> None:
    await books_and_copy(engine, 5)
    await run(engine, CreateDatabase("other"))
    await run(engine, CreateTable("short", SHORT, database="other"))
    await run(engine, ChangeAliases([AddAlias("b", "books"), AddAlias("s", "short", database="other")]))
    copy = CopyByQuery("b", "s", fields=["id", "title"], to_fields=["key", "name"], to_database="other")
    assert (await run(engine, copy)).rows == 5
    answer = await run(engine, Query("short", database="other"))
    assert cells(answer.columns, "key") == [0, 1, 2, 3, 4]
    assert cells(answer.columns, "name") == [f"book {i}" for i in range(5)]
    assert cells(answer.columns, "pages") == [None] * 5


async def test_the_mode_decides_about_rows_that_exist(engine: Engine) -> None:
    await books_and_copy(engine, 4)
    await run(engine, Insert("copy", book_columns([1, 2], title=["old 1", "old 2"])))
    with pytest.raises(Rejected, match=r"2 of 4 rows were not copied, .*exists already: [12]"):
        await run(engine, CopyByQuery("books", "copy", filter="id in [0, 1, 2, 3]"))
    assert (await run(engine, Count("copy"))).count == 4
    job = await run(engine, CopyByQuery("books", "copy", mode=WriteMode.UPSERT))
    assert job.rows == 4
    assert cells((await run(engine, Query("copy", "", ["title"]))).columns, "title") == [f"book {i}" for i in range(4)]
    await run(engine, CreateTable("empty", BOOKS))
    with pytest.raises(Rejected, match="4 of 4"):
        await run(engine, CopyByQuery("books", "empty", mode=WriteMode.UPDATE))


async def test_a_table_can_be_updated_from_itself(engine: Engine) -> None:
    await books_and_copy(engine, 4)
    copy = CopyByQuery("books", "books", mode=WriteMode.UPDATE, fields=["id", "id"], to_fields=["id", "pages"])
    with pytest.raises(Rejected, match="twice"):
        await run(engine, copy)
    await run(engine, CreateTable("short", SHORT))
    await run(engine, CopyByQuery("books", "short", fields=["id", "title"], to_fields=["key", "name"]))
    again = CopyByQuery("short", "short", mode=WriteMode.UPDATE, fields=["key", "name"])
    assert (await run(engine, again)).rows == 4


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"table": "none"}, TableNotFound, "none"),
        ({"to_table": "none"}, TableNotFound, "none"),
        ({"fields": ["none"]}, FieldNotFound, "none"),
        ({"fields": ["id"], "to_fields": ["none"]}, FieldNotFound, "none"),
        ({"fields": ["id"], "to_fields": ["id", "title"]}, Rejected, "to_fields"),
        ({"fields": []}, Rejected, "fields"),
        ({"to_fields": ["id"]}, Rejected, "to_fields"),
        ({"filter": "id ="}, FilterError, "column 5"),
        ({"fields": ["id", "title"]}, Rejected, "'v' is required"),
        ({"fields": ["id", "v", "title"], "to_fields": ["id", "v", "pages"]}, TypeMismatch, "pages"),
        ({"remote": RemoteSource(["far:1"], "u", "p")}, Rejected, "does not read from others"),
    ],
)
async def test_what_cannot_be_copied_is_refused(engine: Engine, changes: dict[str, Any], error: type[HippodError], words: str) -> None:
    await books_and_copy(engine, 3)
    with pytest.raises(error, match=words):
        await run(engine, msgspec.structs.replace(CopyByQuery("books", "copy"), **changes))
    assert (await run(engine, Count("copy"))).count == 0


class Far:
    """Another server with 25 rows."""

    async def read(self, operation: CopyByQuery) -> AsyncGenerator[Part, None]:
        for start in (0, 10, 20):
            ids = list(range(start, min(25, start + 10)))
            yield Part(
                [column("id", ids), column("v", vectors(*([float(i)] * 4 for i in ids))), column("title", [f"far {i}" for i in ids])], 0.5
            )
            await asyncio.sleep(0)


async def test_rows_of_another_server_come_through_the_reader_that_the_engine_was_given(engine: Engine) -> None:
    await make_books(engine)
    engine.remote = Far()
    far = CopyByQuery("any", "books", fields=["id", "v", "title"], remote=RemoteSource(["far:1"], "u", "p"))
    assert (await run(engine, far)).rows == 25
    with pytest.raises(Rejected, match="no host"):
        await run(engine, msgspec.structs.replace(far, remote=RemoteSource([], "u", "p")))


async def test_a_delete_that_nobody_waits_for_shows_its_progress(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_DELETES_PER_STEP", 10)
    await books_and_copy(engine, 50)
    started = await run(engine, DeleteMatching("books", "id < 35", wait=False))
    assert started.status in ("pending", "running")
    assert started.action == "delete_by_query"
    await engine.jobs.get(started.id).done.wait()
    ended = await run(engine, GetJob(started.id))
    assert (ended.status, ended.rows, ended.progress) == ("succeeded", 35, 1.0)
    assert (await run(engine, Count("books"))).count == 15
    with pytest.raises(Rejected, match="filter"):
        await run(engine, DeleteMatching("books", " "))
    assert (await run(engine, DeleteMatching("books", "id >= 0"))).rows == 15


async def test_a_copy_ends_with_its_source(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_PART_BYTES", 1)
    await books_and_copy(engine, 200)
    started = await run(engine, CopyByQuery("books", "copy", wait=False))
    await run(engine, DropTable("books"))
    await engine.jobs.get(started.id).done.wait()
    ended = await run(engine, GetJob(started.id))
    assert ended.status in ("canceled", "failed")
    assert ended.rows < 200
    assert np.int64(ended.rows) <= (await run(engine, Count("copy"))).count <= ended.rows + 1
