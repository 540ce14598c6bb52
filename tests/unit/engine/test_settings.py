"""Settings of tables: known ones with types and ranges, all of a request or none, kept over restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hippod.engine.engine import Engine
from hippod.engine.operations import ChangeAliases, ChangeSettings, CloseTables, CreateDatabase, CreateTable, DescribeTable, GetSettings
from hippod.engine.operations.aliases import AddAlias
from hippod.errors import LimitExceeded, Rejected, TableNotFound, TypeMismatch
from tests.unit.engine.harness import BOOKS, crash_copy, make_books, opened, run

DEFAULTS = {
    "number_of_shards": 2,
    "number_of_replicas": 1,
    "disaster_preparedness": True,
    "scatter_replica": True,
    "dc_affinity": True,
    "embedding.segment.max_size_mb": 512,
    "embedding.segment.seal_proportion": 0.2,
}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        await make_books(engine, 3, tablets=2)
        yield engine


async def settings(engine: Engine, table: str = "books") -> dict[str, Any]:
    return dict((await run(engine, GetSettings(table))).tables[0].settings)


async def test_a_new_table_has_the_defaults(engine: Engine) -> None:
    assert await settings(engine) == DEFAULTS
    assert (await run(engine, DescribeTable("books"))).settings == DEFAULTS


async def test_what_was_set_is_shown_and_outlives_a_crash(engine: Engine) -> None:
    changes: dict[str, Any] = {"number_of_replicas": 3, "tag": "hot", "data_center": "east", "embedding.segment.max_deletion_proportion": 1}
    await run(engine, ChangeSettings("books", changes))
    assert await settings(engine) == {**DEFAULTS, **changes}
    async with opened(crash_copy(engine.directory.path)) as again:
        assert await settings(again) == {**DEFAULTS, **changes}


async def test_nothing_sets_a_setting_back_to_its_default(engine: Engine) -> None:
    await run(engine, ChangeSettings("books", {"dc_affinity": False, "tag": "hot"}))
    await run(engine, ChangeSettings("books", {"dc_affinity": None, "tag": None}))
    assert await settings(engine) == DEFAULTS


async def test_tag_clear_removes_the_tag_of_before_and_not_the_one_beside_it(engine: Engine) -> None:
    await run(engine, ChangeSettings("books", {"tag": "hot", "tag.clear": True}))
    assert (await settings(engine))["tag"] == "hot"
    await run(engine, ChangeSettings("books", {"tag.clear": False}))
    assert (await settings(engine))["tag"] == "hot"
    await run(engine, ChangeSettings("books", {"tag.clear": True}))
    assert "tag" not in await settings(engine)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"nope": 1}, Rejected, "no setting 'nope'; there are number_of_replicas"),
        ({"number_of_shards": 3}, Rejected, "is 2 and cannot be changed"),
        ({"number_of_replicas": 0}, LimitExceeded, "from 1 to 5, not 0"),
        ({"number_of_replicas": True}, TypeMismatch, "type int"),
        ({"number_of_replicas": 1.5}, TypeMismatch, "type int"),
        ({"dc_affinity": 1}, TypeMismatch, "type bool"),
        ({"tag": ""}, LimitExceeded, "1 to 128"),
        ({"tag.clear": "yes"}, TypeMismatch, "type bool"),
        ({"embedding.segment.seal_proportion": 1.01}, LimitExceeded, "0.01 to 1"),
        ({"embedding.segment.seal_proportion": float("nan")}, LimitExceeded, "0.01 to 1"),
        ({"embedding.segment.max_size_mb": 1 << 40}, LimitExceeded, "1 to 65536"),
    ],
)
async def test_a_wrong_setting_is_refused_with_all_others_of_the_request(
    engine: Engine, changes: dict[str, Any], error: type[Rejected], message: str
) -> None:
    with pytest.raises(error, match=message):
        await run(engine, ChangeSettings("books", {"tag": "new", **changes}))
    assert await settings(engine) == DEFAULTS


async def test_the_number_of_shards_may_be_repeated(engine: Engine) -> None:
    await run(engine, ChangeSettings("books", {"number_of_shards": 2}))
    assert await settings(engine) == DEFAULTS


async def test_a_table_is_created_with_settings_or_not_at_all(engine: Engine) -> None:
    await run(engine, CreateTable("other", BOOKS, settings={"number_of_replicas": 2}))
    assert (await settings(engine, "other"))["number_of_replicas"] == 2
    with pytest.raises(LimitExceeded):
        await run(engine, CreateTable("third", BOOKS, settings={"number_of_replicas": 9}))
    with pytest.raises(TableNotFound):
        await run(engine, GetSettings("third"))


async def test_settings_are_read_of_one_table_of_an_alias_of_a_pattern_and_of_all_databases(engine: Engine) -> None:
    await run(engine, CreateDatabase("shop"))
    await run(engine, CreateTable("books", BOOKS, database="shop"))
    await run(engine, CreateTable("bikes", BOOKS))
    await run(engine, ChangeAliases([AddAlias("tomes", "books")]))

    async def found(pattern: str, database: str | None = "default") -> list[tuple[str, str]]:
        return [(t.database, t.table) for t in (await run(engine, GetSettings(pattern, database))).tables]

    assert await found("*") == [("default", "bikes"), ("default", "books")]
    assert await found("bo*,tomes") == await found("tomes") == await found("books") == [("default", "books")]
    assert await found("books", None) == [("default", "books"), ("shop", "books")]
    with pytest.raises(TableNotFound):
        await run(engine, GetSettings("nope"))


async def test_settings_of_a_closed_table_can_be_read_and_changed(engine: Engine) -> None:
    await run(engine, CloseTables("books"))
    await run(engine, ChangeSettings("books", {"number_of_replicas": 2}))
    assert (await settings(engine))["number_of_replicas"] == 2
