"""An alias stands for its tables in every read and write; changes of aliases happen as a whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hippod.engine.engine import Engine
from hippod.engine.operations import (
    AddAlias,
    ChangeAliases,
    Count,
    CreateDatabase,
    CreateTable,
    Delete,
    DeleteByQuery,
    DescribeTable,
    DropAlias,
    DropTable,
    Get,
    Insert,
    ListAliases,
    Query,
    RemoveAlias,
    RenameTable,
    RestoreTable,
    Update,
    Upsert,
)
from hippod.engine.operations.aliases import ACTIONS_MAX, AliasAction
from hippod.errors import AliasNotFound, AlreadyExists, DatabaseNotFound, InvalidName, LimitExceeded, Rejected, TableNotFound, WrongState
from tests.unit.engine.harness import BOOKS, book_columns, cells, column, crash_copy, opened, run


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data", checkpoint_interval_s=3_600.0) as engine:
        for number, table in enumerate(("a", "b")):
            await run(engine, CreateTable(table, BOOKS))
            await run(engine, Insert(table, book_columns([number])))
        yield engine


async def aliases(engine: Engine) -> dict[str, tuple[list[str], str | None]]:
    return {info.alias: (info.tables, info.write_table) for info in (await run(engine, ListAliases(database=None))).aliases}


async def test_reads_go_to_the_first_table_and_writes_to_the_write_table(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("x", "a"), AddAlias("x", "b", is_write_table=True)]))
    assert await aliases(engine) == {"x": (["a", "b"], "b")}
    await run(engine, Insert("x", book_columns([7])))
    await run(engine, Upsert("x", book_columns([8])))
    await run(engine, Update("x", [column("id", [8]), column("title", ["new"])]))
    await run(engine, Delete("x", column("id", [7])))
    await run(engine, DeleteByQuery("x", "id == 1"))
    assert (await run(engine, Count("x"))).count == 1
    assert cells((await run(engine, Query("x"))).columns, "id") == [0]
    assert cells((await run(engine, Get("b", column("id", [8])))).columns, "title") == ["new"]
    assert (await run(engine, Count("b"))).count == 1
    info = await run(engine, DescribeTable("x"))
    assert (info.table, info.aliases) == ("a", ["x"])


async def test_an_alias_of_one_table_takes_everything_and_one_of_several_needs_a_write_table(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("x", "b")]))
    assert (await run(engine, Insert("x", book_columns([7])))).count == 1
    await run(engine, ChangeAliases([AddAlias("x", "a")]))
    with pytest.raises(WrongState, match="none of them is its write table"):
        await run(engine, Insert("x", book_columns([8])))
    assert (await run(engine, Count("x"))).count == 2


async def test_the_write_flag_moves_only_after_it_was_taken_away(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("x", "a", is_write_table=True), AddAlias("x", "b")]))
    with pytest.raises(Rejected, match="has a write table already, 'a'"):
        await run(engine, ChangeAliases([AddAlias("x", "b", is_write_table=True)]))
    await run(engine, ChangeAliases([AddAlias("x", "a", is_write_table=False), AddAlias("x", "b", is_write_table=True)]))
    assert await aliases(engine) == {"x": (["a", "b"], "b")}


async def test_a_change_with_one_bad_action_changes_nothing(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("x", "a")]))
    good: list[AliasAction] = [AddAlias("y", "a"), RemoveAlias("x", "a")]
    faults: list[tuple[AliasAction, type[Rejected]]] = [
        (AddAlias("z", "nope"), TableNotFound),
        (AddAlias("b", "a"), AlreadyExists),
        (AddAlias("bad name", "a"), InvalidName),
        (RemoveAlias("x", "b"), AliasNotFound),
        (AddAlias("z", "a", database="nope"), DatabaseNotFound),
        (AddAlias("z", "x"), Rejected),
    ]
    for bad, error in faults:
        with pytest.raises(error):
            await run(engine, ChangeAliases([*good, bad]))
        assert await aliases(engine) == {"x": (["a"], None)}
    for count in (0, ACTIONS_MAX + 1):
        with pytest.raises(LimitExceeded):
            await run(engine, ChangeAliases([AddAlias("y", "a")] * count))


async def test_an_alias_swaps_its_table_in_one_change(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("x", "a")]))
    await run(engine, ChangeAliases([RemoveAlias("x", "a"), AddAlias("x", "b")]))
    assert await aliases(engine) == {"x": (["b"], None)}


async def test_a_table_cannot_take_the_name_of_an_alias(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("x", "a")]))
    for operation in (CreateTable("x", BOOKS), RenameTable("b", "x")):
        with pytest.raises(AlreadyExists, match="alias 'x'"):
            await run(engine, operation)
    await run(engine, CreateDatabase("other"))
    await run(engine, CreateTable("x", BOOKS, database="other"))


async def test_aliases_follow_a_rename_and_go_with_their_last_table(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("x", "a", is_write_table=True), AddAlias("x", "b"), AddAlias("y", "a")]))
    await run(engine, RenameTable("a", "c"))
    assert await aliases(engine) == {"x": (["c", "b"], "c"), "y": (["c"], None)}
    await run(engine, DropTable("c"))
    assert await aliases(engine) == {"x": (["b"], None)}
    await run(engine, RestoreTable("c"))
    assert await aliases(engine) == {"x": (["b"], None)}
    await run(engine, DropTable("b", purge=True))
    assert await aliases(engine) == {}


async def test_a_dropped_alias_leaves_its_tables(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("x", "a"), AddAlias("y", "a")]))
    await run(engine, DropAlias("x"))
    assert await aliases(engine) == {"y": (["a"], None)}
    with pytest.raises(AliasNotFound):
        await run(engine, DropAlias("x"))
    assert (await run(engine, ListAliases("z*,y"))).aliases[0].alias == "y"


async def test_an_operation_on_the_table_itself_refuses_an_alias(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("x", "a")]))
    for operation in (DropTable("x"), RenameTable("x", "y")):
        with pytest.raises(Rejected, match="is an alias"):
            await run(engine, operation)


async def test_aliases_survive_a_crash_and_a_restart(engine: Engine, tmp_path: Path) -> None:
    await run(engine, ChangeAliases([AddAlias("x", "a", is_write_table=True), AddAlias("x", "b"), AddAlias("y", "b")]))
    await run(engine, ChangeAliases([RemoveAlias("y", "b")]))
    copy = crash_copy(tmp_path / "data")
    for _ in range(2):
        async with opened(copy) as again:
            assert await aliases(again) == {"x": (["a", "b"], "a")}
            assert (await run(again, Count("x"))).count == 1
