"""Users are made, changed and dropped; passwords are kept as hashes that nobody gets to see; there is always a superuser."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import Parameters, Type, extract_parameters

from hippod.engine import access
from hippod.engine.access import Principal
from hippod.engine.check import check_directory, print_log
from hippod.engine.engine import Engine
from hippod.engine.operations import (
    AlterUser,
    CreateTable,
    CreateUser,
    DescribeTable,
    DescribeUser,
    DropUser,
    GetUserPrivileges,
    GrantPrivileges,
    ListUsers,
    Operation,
    Privilege,
    UserInfo,
)
from hippod.engine.operations.users import PASSWORD_BYTES_MAX
from hippod.errors import AlreadyExists, AuthenticationFailed, InvalidName, LimitExceeded, PermissionDenied, Rejected, UserNotFound
from hippod.testing import ServerProcess
from tests.unit.engine.harness import BOOKS, crash_copy, make_books, opened, run

SECRET = "canary-7f3a"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        yield engine


async def as_user(engine: Engine, name: str, operation: Operation) -> object:
    return await engine.execute(operation, Principal(name))


async def test_a_user_logs_in_with_its_password_and_no_other_also_after_a_crash(engine: Engine) -> None:
    await run(engine, CreateUser("ann", SECRET, can_create_database=True))
    async with opened(crash_copy(engine.directory.path)) as again:
        assert await again.authenticate("ann", SECRET) == Principal("ann")
        with pytest.raises(AuthenticationFailed):
            await again.authenticate("ann", SECRET + "x")
        expected = UserInfo("ann", is_superuser=False, can_create_role=False, can_create_database=True)
        assert await run(again, DescribeUser("ann")) == expected
        assert [user.user for user in (await run(again, ListUsers())).users] == ["ann", "shiva"]
        assert [user.user for user in (await run(again, ListUsers("a*,bob"))).users] == ["ann"]


async def test_passwords_are_hashed_slowly_and_those_of_unknown_users_are_verified_as_slowly(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data"):
        pass
    async with opened(tmp_path / "data") as engine:
        stored = engine.catalog.users["shiva"].password_hash
    slow = Parameters(Type.ID, version=19, salt_len=16, hash_len=32, time_cost=2, memory_cost=19 * 1_024, parallelism=1)
    assert extract_parameters(stored) == extract_parameters(access._NOBODY) == slow


async def test_a_new_password_holds_and_the_old_one_does_not(engine: Engine) -> None:
    await run(engine, CreateUser("ann", SECRET))
    await as_user(engine, "ann", AlterUser("ann", password="another"))
    assert await engine.authenticate("ann", "another") == Principal("ann")
    with pytest.raises(AuthenticationFailed):
        await engine.authenticate("ann", SECRET)


async def test_altering_changes_what_is_given_and_leaves_the_rest(engine: Engine) -> None:
    await run(engine, CreateUser("ann", SECRET, can_create_role=True))
    await run(engine, AlterUser("ann", is_superuser=True))
    await run(engine, AlterUser("ann", can_create_database=True))
    expected = UserInfo("ann", is_superuser=True, can_create_role=True, can_create_database=True)
    assert await run(engine, DescribeUser("ann")) == expected
    assert await engine.authenticate("ann", SECRET) == Principal("ann")


async def test_users_that_cannot_be_are_refused(engine: Engine) -> None:
    await run(engine, CreateUser("ann", SECRET))
    refused: list[tuple[Operation, type[Rejected]]] = [
        (CreateUser("ann", "x"), AlreadyExists),
        (CreateUser("a/b", "x"), InvalidName),
        (CreateUser("bob", ""), LimitExceeded),
        (CreateUser("bob", "x" * (PASSWORD_BYTES_MAX + 1)), LimitExceeded),
        (AlterUser("ann", password=""), LimitExceeded),
        (AlterUser("bob", is_superuser=True), UserNotFound),
        (DescribeUser("bob"), UserNotFound),
        (DropUser("bob"), UserNotFound),
        (GetUserPrivileges("bob"), UserNotFound),
        (GrantPrivileges("bob", [Privilege.ALL]), UserNotFound),
    ]
    for operation, error in refused:
        with pytest.raises(error):
            await run(engine, operation)
    await run(engine, CreateUser("bob", "x" * PASSWORD_BYTES_MAX))


async def test_the_last_superuser_can_neither_be_dropped_nor_lose_its_rights(engine: Engine) -> None:
    with pytest.raises(Rejected, match="last superuser"):
        await run(engine, AlterUser("shiva", is_superuser=False))
    with pytest.raises(Rejected, match="himself"):
        await run(engine, DropUser("shiva"))
    await run(engine, CreateUser("root", SECRET, is_superuser=True))
    await as_user(engine, "root", DropUser("shiva"))
    with pytest.raises(Rejected, match="last superuser"):
        await as_user(engine, "root", AlterUser("root", is_superuser=False))


async def test_a_dropped_superuser_does_not_come_back_at_a_start_unless_a_password_is_given(tmp_path: Path) -> None:
    path = tmp_path / "data"
    async with opened(path) as engine:
        await run(engine, CreateUser("root", SECRET, is_superuser=True))
        await as_user(engine, "root", DropUser("shiva"))
    async with opened(path) as engine:
        assert list(engine.catalog.users) == ["root"]
        assert not engine.has_default_password
    async with opened(path, initial_password="given") as engine:
        assert sorted(engine.catalog.users) == ["root", "shiva"]
        assert await engine.authenticate("shiva", "given") == Principal("shiva")


async def test_the_well_known_password_is_noticed_when_it_goes_and_when_it_comes_back(engine: Engine) -> None:
    assert engine.has_default_password
    await run(engine, AlterUser("shiva", password="another"))
    assert not engine.has_default_password
    await run(engine, AlterUser("shiva", password="shiva"))
    assert engine.has_default_password


async def test_tables_of_a_dropped_user_stay_and_belong_to_who_dropped_it(engine: Engine) -> None:
    await run(engine, CreateUser("ann", SECRET))
    await run(engine, GrantPrivileges("ann", [Privilege.CREATE]))
    await as_user(engine, "ann", CreateTable("hers", BOOKS))
    await run(engine, DropUser("ann"))
    with pytest.raises(PermissionDenied, match="does not exist any more"):
        await as_user(engine, "ann", DescribeTable("hers"))
    assert (await run(engine, DescribeTable("hers"))).owner == "shiva"
    await run(engine, CreateUser("ann", "another"))
    assert (await run(engine, GetUserPrivileges("ann"))).privileges == []


async def test_no_password_and_no_hash_appears_in_results_in_the_printed_log_or_in_texts_for_people(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    create = CreateUser("ann", SECRET)
    await run(engine, create)
    await run(engine, AlterUser("ann", password=SECRET))
    await make_books(engine)
    password_hash = engine.catalog.users["ann"].password_hash
    printed = io.StringIO()
    copy = crash_copy(engine.directory.path)
    print_log(copy, printed)
    check_directory(copy, printed)
    assert "u/ann" in printed.getvalue()
    told = [printed.getvalue(), caplog.text, repr(create), repr(AlterUser("ann", password=SECRET)), repr(engine.catalog.users["ann"])]
    told += [repr(await run(engine, DescribeUser("ann"))), repr(await run(engine, ListUsers()))]
    assert not [text for text in told if SECRET in text or password_hash in text or "$argon2" in text]
