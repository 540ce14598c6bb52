"""Users."""

from __future__ import annotations

from hippod_client.definitions import UserInfo
from hippod_client.requests.base import Reply, Request, done


def create_user(user: str, password: str, is_superuser: bool, can_create_database: bool, can_create_role: bool) -> Request[None]:
    flags = {"is_superuser": is_superuser, "can_create_database": can_create_database, "can_create_role": can_create_role}
    return Request({"op": "create_user", "user": user, "password": password, **flags}, done)


def alter_user(
    user: str, password: str | None, is_superuser: bool | None, can_create_database: bool | None, can_create_role: bool | None
) -> Request[None]:
    flags = {"is_superuser": is_superuser, "can_create_database": can_create_database, "can_create_role": can_create_role}
    return Request({"op": "alter_user", "user": user, "password": password, **flags}, done)


def drop_user(user: str) -> Request[None]:
    return Request({"op": "drop_user", "user": user}, done)


def describe_user(user: str) -> Request[UserInfo]:
    return Request({"op": "describe_user", "user": user}, UserInfo.of, is_read=True)


def list_users(pattern: str) -> Request[list[UserInfo]]:
    return Request({"op": "list_users", "pattern": pattern}, _users, is_read=True)


def _users(reply: Reply) -> list[UserInfo]:
    return list(map(UserInfo.of, reply["users"]))
