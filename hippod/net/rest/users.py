"""Routes of users."""

from __future__ import annotations

from typing import Final

import msgspec

from hippod.engine.operations import AlterUser, CreateUser, DescribeUser, DropUser, UserInfo
from hippod.errors import UserNotFound
from hippod.net.rest.body import Body, NoBody, Query
from hippod.net.rest.envelope import Acknowledged, Answer
from hippod.net.rest.routes import Call, Route


class UserMetadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Flags that are not given are false for a new user, and stay as they are for another one."""

    is_super: bool | None = None
    can_create_role: bool | None = None
    can_create_db: bool | None = None


class CreateUserBody(Body, frozen=True):
    password: str
    metadata: UserMetadata | None = None


class AlterUserBody(Body, frozen=True):
    password: str | None = None
    metadata: UserMetadata | None = None


class Created(Answer, frozen=True, omit_defaults=False):
    created: bool = True


class Found(Answer, frozen=True, omit_defaults=False):
    found: bool


class UserView(msgspec.Struct, frozen=True):
    metadata: UserMetadata


async def create_user(call: Call[Query, CreateUserBody]) -> Created:
    flags = call.body.metadata or UserMetadata()
    await call.execute(
        CreateUser(
            call.path["user"],
            call.body.password,
            is_superuser=bool(flags.is_super),
            can_create_role=bool(flags.can_create_role),
            can_create_database=bool(flags.can_create_db),
        )
    )
    return Created()


async def alter_user(call: Call[Query, AlterUserBody]) -> Acknowledged:
    flags = call.body.metadata or UserMetadata()
    await call.execute(AlterUser(call.path["user"], call.body.password, flags.is_super, flags.can_create_role, flags.can_create_db))
    return Acknowledged()


async def show_user(call: Call[Query, NoBody]) -> dict[str, UserView]:
    user: UserInfo = await call.execute(DescribeUser(call.path["user"]))
    return {user.user: UserView(UserMetadata(user.is_superuser, user.can_create_role, user.can_create_database))}


async def drop_user(call: Call[Query, NoBody]) -> Found:
    try:
        await call.execute(DropUser(call.path["user"]))
    except UserNotFound:
        return Found(False)
    return Found(True)


ROUTES: Final = (
    Route("PUT", "/_security/user/{user}", create_user, "Create a user"),
    Route("POST PUT", "/_security/user/{user}/_alter", alter_user, "Change the password or the flags of a user"),
    Route("GET", "/_security/user/{user}", show_user, "Show a user"),
    Route("DELETE", "/_security/user/{user}", drop_user, "Drop a user; its tables stay"),
)
