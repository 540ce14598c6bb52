"""What users who are no superusers may do: nothing that the table of rules does not allow, at once when it changes, over restarts."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hippod.engine.access import Principal
from hippod.engine.engine import Engine
from hippod.engine.handlers import HANDLERS, PERSONAL_HANDLERS
from hippod.engine.operations import (
    ActivateIndex,
    AddAlias,
    AlterUser,
    AnyOperation,
    CancelJob,
    ChangeAliases,
    ChangeSettings,
    CloseTables,
    CopyByQuery,
    Count,
    CreateDatabase,
    CreateIndex,
    CreateTable,
    CreateUser,
    DescribeTable,
    DescribeUser,
    Distance,
    DropAlias,
    DropDatabase,
    DropTable,
    DropUser,
    GetStatus,
    GetTablePrivileges,
    GetUserPrivileges,
    GrantInfo,
    GrantPrivileges,
    Insert,
    ListTables,
    ListUsers,
    MultiSearch,
    OpenTables,
    Operation,
    Privilege,
    PrivilegesInfo,
    PurgeTable,
    RenameTable,
    RestoreTable,
    RevokePrivileges,
    Search,
    StoredVectors,
)
from hippod.engine.rights import RULES
from hippod.errors import PermissionDenied, Rejected, TableNotFound
from tests.unit.engine.harness import BOOKS, book_columns, column, crash_copy, make_books, opened, run, vectors

ALL, ACCESS, CREATE = Privilege.ALL, Privilege.ACCESS, Privilege.CREATE


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        await make_books(engine, 3)
        await run(engine, CreateUser("ann", "ann"))
        yield engine


async def ann(engine: Engine, operation: Operation) -> Any:
    return await engine.execute(operation, Principal("ann"))


async def grant(engine: Engine, *privileges: Privilege, table: str | None = "books", database: str = "default") -> None:
    await run(engine, GrantPrivileges("ann", list(privileges), table, database))


async def assert_denied(engine: Engine, *operations: Operation) -> None:
    for operation in operations:
        with pytest.raises(PermissionDenied):
            await ann(engine, operation)


def test_every_operation_has_a_rule_and_one_handler() -> None:
    operations = set(typing.get_args(AnyOperation))
    assert set(RULES) == operations, "say in hippod/engine/rights.py what each operation takes of a user"
    assert set(HANDLERS) | set(PERSONAL_HANDLERS) == operations
    assert not set(HANDLERS) & set(PERSONAL_HANDLERS)


ROWS = [
    Count("books"),
    Insert("books", book_columns([7])),
    Search("books", vectors([1, 1, 0, 0]), 1),
    MultiSearch("b*", vectors([1, 1, 0, 0]), 1),
    Distance(StoredVectors("books", column("id", [1])), StoredVectors("books", column("id", [2]))),
]
OWNERS = [
    CreateIndex("books", "i", "v", type="FLAT"),
    ActivateIndex("books", "i"),
    ChangeSettings("books", {"tag": "x"}),
    ChangeAliases([AddAlias("tomes", "books")]),
    DropAlias("tomes"),
    CloseTables("b*"),
    OpenTables("books"),
    GetTablePrivileges("books"),
    RenameTable("books", "volumes"),
    RenameTable("volumes", "books"),
    DropTable("books"),
    RestoreTable("books"),
]
SUPERUSERS = [
    CreateUser("eve", "x"),
    AlterUser("ann", is_superuser=True),
    AlterUser("shiva", password="x"),
    DropUser("shiva"),
    ListUsers(),
    DescribeUser("shiva"),
    GetUserPrivileges("shiva"),
    CreateDatabase("hers"),
    DropDatabase("default"),
    GrantPrivileges("ann", [ALL], "books"),
    GrantPrivileges("ann", [ALL]),
    RevokePrivileges("shiva", [ALL]),
    CreateTable("new", BOOKS),
]


async def test_a_user_without_privileges_reads_what_there_is_and_nothing_else(engine: Engine) -> None:
    await run(engine, ChangeAliases([AddAlias("tomes", "books")]))
    await run(engine, CreateIndex("books", "i", "v", type="FLAT"))
    await assert_denied(engine, *ROWS, *OWNERS, *SUPERUSERS)
    await assert_denied(
        engine, Count("tomes"), Count("nope"), DropTable("nope"), PurgeTable("nope"), MultiSearch("tomes", vectors([1, 1, 0, 0]))
    )
    assert (await ann(engine, ListTables())).tables == ["books"]
    assert (await ann(engine, DescribeTable("books"))).rows == 3
    assert (await ann(engine, GetStatus())).mode == "ready"
    assert (await ann(engine, DescribeUser("ann"))).user == "ann"
    await ann(engine, AlterUser("ann", password="her own"))
    assert (await run(engine, Count("books"))).count == 3


async def test_access_is_for_rows_and_not_for_the_table(engine: Engine) -> None:
    await run(engine, CreateIndex("books", "i", "v", type="FLAT"))
    await run(engine, ActivateIndex("books", "i"))
    await run(engine, ChangeAliases([AddAlias("tomes", "books")]))
    await grant(engine, ACCESS)
    for operation in [*ROWS, Count("tomes"), MultiSearch("tomes", vectors([1, 1, 0, 0]))]:
        await ann(engine, operation)
    await assert_denied(engine, *OWNERS, *SUPERUSERS)


async def test_all_on_a_table_is_for_everything_with_it_and_granting_too(engine: Engine) -> None:
    await grant(engine, ALL)
    for operation in OWNERS:
        await ann(engine, operation)
    assert (await ann(engine, Count("books"))).count == 3
    await run(engine, CreateUser("bob", "bob"))
    await ann(engine, GrantPrivileges("bob", [ACCESS], "books"))
    assert (await engine.execute(Count("books"), Principal("bob"))).count == 3
    await assert_denied(engine, CreateTable("new", BOOKS), GrantPrivileges("bob", [ACCESS]))


async def test_who_may_create_tables_owns_what_it_creates(engine: Engine) -> None:
    await grant(engine, CREATE, table=None)
    await ann(engine, CreateTable("hers", BOOKS))
    await ann(engine, Insert("hers", book_columns([1])))
    await assert_denied(engine, Count("books"), CopyByQuery("books", "hers"), CopyByQuery("hers", "books"))
    await ann(engine, CreateIndex("hers", "i", "v", type="FLAT"))
    job = await ann(engine, ActivateIndex("hers", "i"))
    await ann(engine, CancelJob(job.id))
    await ann(engine, DropTable("hers"))
    await ann(engine, PurgeTable("hers"))


async def test_a_privilege_on_a_database_holds_for_all_its_tables_and_no_others(engine: Engine) -> None:
    await run(engine, CreateDatabase("shop"))
    await run(engine, CreateTable("books", BOOKS, database="shop"))
    await grant(engine, ACCESS, table=None, database="shop")
    await run(engine, CreateTable("later", BOOKS, database="shop"))
    assert (await ann(engine, Count("books", database="shop"))).count == 0
    assert (await ann(engine, Count("later", database="shop"))).count == 0
    await assert_denied(engine, Count("books"), DropTable("books", database="shop"), DropDatabase("shop"))
    with pytest.raises(TableNotFound):
        await ann(engine, Count("nope", database="shop"))
    await grant(engine, ALL, table=None, database="shop")
    for table in ("books", "later"):
        await ann(engine, DropTable(table, database="shop"))
    await ann(engine, DropDatabase("shop"))


async def test_who_may_create_databases_has_all_on_its_own(engine: Engine) -> None:
    await run(engine, AlterUser("ann", can_create_database=True))
    await ann(engine, CreateDatabase("hers"))
    await ann(engine, CreateTable("books", BOOKS, database="hers"))
    await assert_denied(engine, DropDatabase("default"), CreateTable("new", BOOKS))


async def test_of_an_alias_every_table_must_be_allowed(engine: Engine) -> None:
    await run(engine, CreateTable("other", BOOKS))
    await run(engine, ChangeAliases([AddAlias("tomes", "books"), AddAlias("tomes", "other")]))
    await grant(engine, ACCESS)
    await assert_denied(engine, Count("tomes"))
    await grant(engine, ACCESS, table="other")
    assert (await ann(engine, Count("tomes"))).count == 3


async def test_a_revoked_privilege_is_gone_at_once_and_of_all_the_rest_stays(engine: Engine) -> None:
    await grant(engine, ALL)
    await run(engine, RevokePrivileges("ann", [CREATE], "books"))
    assert (await ann(engine, Count("books"))).count == 3
    await assert_denied(engine, DropTable("books"))
    await run(engine, RevokePrivileges("ann", [ACCESS], "books"))
    await run(engine, RevokePrivileges("ann", [ACCESS], "books"))
    await assert_denied(engine, Count("books"))
    assert (await run(engine, GetUserPrivileges("ann"))).privileges == []


async def test_a_superuser_that_is_none_any_more_is_refused_at_once(engine: Engine) -> None:
    await run(engine, AlterUser("ann", is_superuser=True))
    assert (await ann(engine, Count("books"))).count == 3
    await run(engine, AlterUser("ann", is_superuser=False))
    await assert_denied(engine, Count("books"))


async def test_privileges_are_shown_with_owner_id_and_grantor(engine: Engine) -> None:
    await grant(engine, ACCESS)
    await grant(engine, CREATE, table=None)
    await ann(engine, CreateTable("hers", BOOKS))
    books, hers = (engine.catalog.table("default", name) for name in ("books", "hers"))
    by_shiva = GrantInfo("ann", "shiva", [ACCESS])
    expected = [
        PrivilegesInfo("default", None, None, None, [GrantInfo("ann", "shiva", [CREATE])]),
        PrivilegesInfo("default", "books", books.id, "shiva", [by_shiva]),
        PrivilegesInfo("default", "hers", hers.id, "ann", []),
    ]
    assert (await ann(engine, GetUserPrivileges("ann"))).privileges == expected
    assert (await run(engine, GetTablePrivileges("books"))).privileges == expected[1:2]
    async with opened(crash_copy(engine.directory.path)) as again:
        assert (await run(again, GetUserPrivileges("ann"))).privileges == expected


async def test_privileges_follow_a_renamed_and_a_restored_table_and_end_with_it(engine: Engine) -> None:
    await grant(engine, ACCESS)
    await run(engine, RenameTable("books", "tomes"))
    await run(engine, CreateTable("books", BOOKS))
    assert (await ann(engine, Count("tomes"))).count == 3
    await assert_denied(engine, Count("books"))
    await run(engine, DropTable("tomes"))
    assert (await run(engine, GetUserPrivileges("ann"))).privileges == []
    await run(engine, RestoreTable("tomes"))
    assert (await ann(engine, Count("tomes"))).count == 3
    await run(engine, DropTable("tomes", purge=True))
    assert engine.catalog.grants == {}


async def test_wrong_grants_are_refused(engine: Engine) -> None:
    with pytest.raises(Rejected, match="one privilege or more"):
        await grant(engine)
    with pytest.raises(TableNotFound):
        await grant(engine, ALL, table="nope")


async def test_grants_made_at_the_same_time_are_all_there(engine: Engine) -> None:
    for name in ("bob", "eve"):
        await run(engine, CreateUser(name, name))
    wanted = [(user, privilege) for user in ("ann", "bob", "eve") for privilege in (CREATE, ACCESS)]
    await asyncio.gather(*(run(engine, GrantPrivileges(user, [privilege], "books")) for user, privilege in wanted))
    found = (await run(engine, GetTablePrivileges("books"))).privileges[0].grants
    assert found == [GrantInfo(user, "shiva", [CREATE, ACCESS]) for user in ("ann", "bob", "eve")]
