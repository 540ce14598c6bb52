"""Operations on users. Hashing a password takes tens of milliseconds of a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from hippod.engine import access
from hippod.engine.access import Principal
from hippod.engine.catalog import Changes, User, users
from hippod.engine.operations import AlterUser, CreateUser, DescribeUser, Done, DropUser, ListUsers, UserInfo, UserList
from hippod.engine.patterns import check_patterns, name_matcher

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def create_user(engine: Engine, operation: CreateUser, deadline: float | None) -> Done:
    password_hash = await asyncio.to_thread(access.hash_password, operation.password)
    user = User(
        name=operation.user,
        password_hash=password_hash,
        is_superuser=operation.is_superuser,
        is_default=access.is_default(operation.user, operation.password),
        can_create_role=operation.can_create_role,
        can_create_database=operation.can_create_database,
    )
    await engine.change_catalog(lambda: users.create_user(engine.catalog, user), deadline)
    return Done()


async def alter_user(engine: Engine, operation: AlterUser, deadline: float | None) -> Done:
    changed: dict[str, object] = {
        name: value
        for name in ("is_superuser", "can_create_role", "can_create_database")
        if (value := getattr(operation, name)) is not None
    }
    if operation.password is not None:
        changed["password_hash"] = await asyncio.to_thread(access.hash_password, operation.password)
        changed["is_default"] = access.is_default(operation.user, operation.password)

    def compute() -> Changes:
        return users.alter_user(engine.catalog, msgspec.structs.replace(engine.catalog.user(operation.user), **changed))

    await engine.change_catalog(compute, deadline)
    return Done()


async def drop_user(engine: Engine, operation: DropUser, principal: Principal, deadline: float | None) -> Done:
    await engine.change_catalog(lambda: users.drop_user(engine.catalog, operation.user, principal.name), deadline)
    return Done()


def describe_user(engine: Engine, operation: DescribeUser, _deadline: float | None) -> UserInfo:
    return _info(engine.catalog.user(operation.user))


def list_users(engine: Engine, operation: ListUsers, _deadline: float | None) -> UserList:
    means = name_matcher(check_patterns(operation.pattern))
    return UserList([_info(user) for name, user in sorted(engine.catalog.users.items()) if means(name)])


def _info(user: User) -> UserInfo:
    return UserInfo(user.name, user.is_superuser, user.can_create_role, user.can_create_database)
