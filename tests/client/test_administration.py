"""Every method about what exists beside rows and indexes, through both clients, with its success and its failures."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

import pytest

from hippod_client import (
    AliasInfo,
    Client,
    DataType,
    Field,
    GrantInfo,
    PrivilegesInfo,
    TemplateInfo,
    TrashedTable,
    UserInfo,
)
from hippod_client import errors as e
from hippod_client.administration import Administration
from tests.client.both import connected
from tests.client.test_methods import FIELDS, fails, filled

Check = Callable[[Client], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def covers(*methods: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        CHECKS.update(dict.fromkeys(methods, check))
        return check

    return register


@covers("rename_table")
async def _rename_table(client: Client) -> None:
    await filled(client)
    before = await client.describe_table("t")
    await client.rename_table("t", "u")
    assert (await client.describe_table("u")).id == before.id
    await client.create_table("t", FIELDS)
    await fails(e.AlreadyExists, client.rename_table("t", "u"), "'u'")
    await fails(e.TableNotFound, client.rename_table("nope", "x"))


@covers("restore_table", "purge_table", "list_trash")
async def _trash(client: Client) -> None:
    await filled(client)
    await client.drop_table("t")
    (found,) = await client.list_trash()
    assert isinstance(found, TrashedTable)
    assert (found.table, found.database, found.rows) == ("t", client.database, 10)
    assert found.dropped < found.expires
    await client.restore_table(found.id, "u")
    assert await client.count("u") == 10
    await client.drop_table("u")
    await client.restore_table("u")
    await client.drop_table("u")
    await client.purge_table("u")
    assert await client.list_trash() == []
    await fails(e.TableNotFound, client.restore_table("u"), "trash")
    await fails(e.TableNotFound, client.purge_table("u"), "trash")


@covers("close_tables", "open_tables")
async def _close_tables(client: Client) -> None:
    await filled(client)
    await client.close_tables("t,x*")
    await fails(e.TableClosed, client.count("t"), "open it first")
    await client.open_tables("*")
    assert await client.count("t") == 10
    await fails(e.TableNotFound, client.close_tables("nope"))
    await fails(e.InvalidName, client.open_tables("a b"))


@covers("add_alias", "remove_alias", "drop_alias", "list_aliases")
async def _aliases(client: Client) -> None:
    await filled(client)
    await client.create_table("u", FIELDS)
    await client.add_alias("a", "t")
    await client.add_alias("a", "u", is_write_table=True)
    assert await client.list_aliases("a*") == [AliasInfo("a", client.database, ["t", "u"], "u")]
    assert await client.count("a") == 10
    await client.remove_alias("a", "t")
    assert await client.count("a") == 0
    await client.drop_alias("a")
    assert await client.list_aliases() == []
    await fails(e.AlreadyExists, client.add_alias("t", "u"), "'t'")
    await fails(e.TableNotFound, client.add_alias("a", "nope"))
    await fails(e.AliasNotFound, client.remove_alias("a", "t"))
    await fails(e.AliasNotFound, client.drop_alias("a"))


@covers("add_fields", "drop_fields", "rename_fields")
async def _fields(client: Client) -> None:
    await filled(client)
    await client.add_fields("t", [Field("n", DataType.INT8, default=3), Field("s", "string", nullable=True)])
    assert await client.count("t", "n == 3 and s is null") == 10
    await client.rename_fields("t", {"n": "s", "s": "n"})
    assert await client.count("t", "s == 3 and n is null") == 10
    await client.drop_fields("t", ["s", "n"])
    assert [field.name for field in (await client.describe_table("t")).fields] == ["id", "word", "v"]
    await fails(e.Rejected, client.add_fields("t", [Field("n", DataType.INT8)]), "needs a default")
    await fails(e.Rejected, client.drop_fields("t", ["id"]), "primary key")
    await fails(e.FieldNotFound, client.rename_fields("t", {"nope": "x"}))


@covers("change_settings", "get_settings")
async def _settings(client: Client) -> None:
    await client.create_table("t", FIELDS, tablets=2)
    await client.change_settings("t", {"tag": "hot", "number_of_replicas": 2})
    found = await client.get_settings("t")
    assert (found["tag"], found["number_of_replicas"], found["number_of_shards"]) == ("hot", 2, 2)
    await client.change_settings("t", {"tag": None})
    assert "tag" not in await client.get_settings("t")
    await fails(e.LimitExceeded, client.change_settings("t", {"number_of_replicas": 0}))
    await fails(e.TypeMismatch, client.change_settings("t", {"tag": 1}))
    await fails(e.TableNotFound, client.get_settings("nope"))


@covers("put_template", "drop_template", "list_templates")
async def _templates(client: Client) -> None:
    name = f"{client.database}-t"
    index = {"index": "i", "field": "v", "type": "FLAT", "metric": "ip", "params": {}}
    await client.put_template(name, [f"{name}*"], order=4, settings={"tag": "x"}, indexes=[index])
    assert await client.list_templates(name) == [TemplateInfo(name, [f"{name}*"], 4, {"tag": "x"}, [index])]
    await client.create_table(f"{name}1", FIELDS)
    assert (await client.get_settings(f"{name}1"))["tag"] == "x"
    assert [found.index for found in await client.list_indexes(f"{name}1")] == ["i"]
    await client.drop_template(name)
    await fails(e.TemplateNotFound, client.list_templates(name))
    await fails(e.TemplateNotFound, client.drop_template(name))
    await fails(e.LimitExceeded, client.put_template(name, []))


@covers("create_user", "alter_user", "drop_user", "describe_user", "list_users")
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


@covers("grant", "revoke", "user_privileges", "table_privileges")
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


def test_every_method_has_a_check() -> None:
    assert set(CHECKS) == {name for name, _ in inspect.getmembers(Administration, inspect.isfunction) if not name.startswith("_")}


@pytest.mark.parametrize("method", sorted({check: method for method, check in CHECKS.items()}.values()))
async def test_methods(both: Client, method: str) -> None:
    await CHECKS[method](both)
