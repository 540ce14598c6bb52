"""Every method of `UserMethods` through both clients, with its success and its failures."""

from __future__ import annotations

import pytest

from hippod_client import Client, GrantInfo, PrivilegesInfo, UserInfo
from hippod_client import errors as e
from hippod_client.aio.users import UserMethods
from tests.client.both import connected
from tests.client.checks import Checks, fails, filled

CHECKS = Checks(UserMethods)


@CHECKS.covers("create_user", "alter_user", "drop_user", "describe_user", "list_users")
async def _users(client: Client) -> None:
    name = f"{client.database}-ann"
    await client.create_user(name, "one", can_create_database=True)
    ann = UserInfo(name, is_superuser=False, can_create_role=False, can_create_database=True)
    assert await client.describe_user(name) == ann
    assert await client.list_users(f"{client.database}*") == [ann]
    await client.alter_user(name, can_create_role=True, can_create_database=False)
    assert await client.describe_user(name) == UserInfo(name, is_superuser=False, can_create_role=True, can_create_database=False)
    await fails(e.AlreadyExists, client.create_user(name, "one"))
    await fails(e.LimitExceeded, client.alter_user(name, password=""), "256")
    await fails(e.Rejected, client.drop_user("shiva"), "himself")
    await client.drop_user(name)
    await fails(e.UserNotFound, client.describe_user(name), name)
    await fails(e.UserNotFound, client.drop_user(name), name)


@CHECKS.covers("grant", "revoke", "user_privileges", "table_privileges")
async def _privileges(client: Client) -> None:
    await filled(client)
    name = f"{client.database}-ann"
    await client.create_user(name, "one")
    try:
        await client.grant(name, ["access"], "t")
        await client.grant(name, ["create"])
        table = await client.describe_table("t")
        on_table = PrivilegesInfo(client.database, "t", table.id, "shiva", (GrantInfo(name, "shiva", ["access"]),))
        on_database = PrivilegesInfo(client.database, None, None, None, (GrantInfo(name, "shiva", ["create"]),))
        assert await client.user_privileges(name) == [on_database, on_table]
        assert await client.table_privileges("t") == on_table
        await client.revoke(name, ["all"], "t")
        await client.revoke(name, ["create"])
        assert await client.user_privileges(name) == []
        await fails(e.UserNotFound, client.grant("nobody", ["all"]))
        await fails(e.TableNotFound, client.revoke(name, ["all"], "nope"))
        await fails(e.BadRequest, client.grant(name, ["fly"]), "fly")
    finally:
        await client.drop_user(name)


@pytest.mark.parametrize("method", CHECKS.each())
async def test_method(both: Client, method: str) -> None:
    await CHECKS[method](both)


def test_every_method_has_a_check() -> None:
    assert not CHECKS.missing()


async def test_another_user_sees_what_it_may_and_is_told_what_not(both: Client) -> None:
    await filled(both)
    name = f"{both.database}-ann"
    await both.create_user(name, "one")
    try:
        host, port = both._address
        async with connected("async", host, port, user=name, password="one", database=both.database) as ann:
            assert await ann.list_tables() == ["t"]
            await fails(e.PermissionDenied, ann.count("t"), "ACCESS on the table")
            await both.grant(name, ["access"], "t")
            assert await ann.count("t") == 10
            await fails(e.PermissionDenied, ann.drop_table("t"), "ALL on the table")
            await ann.alter_user(name, password="two")
        with pytest.raises(e.AuthenticationFailed):
            async with connected("async", host, port, user=name, password="one"):
                pass
    finally:
        await both.drop_user(name)
