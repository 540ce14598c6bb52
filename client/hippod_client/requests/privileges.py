"""Privileges."""

from __future__ import annotations

from collections.abc import Sequence

from hippod_client.definitions import PrivilegesInfo
from hippod_client.requests.base import Reply, Request, done


def grant(database: str, user: str, privileges: Sequence[str], table: str | None) -> Request[None]:
    return _change("grant_privileges", database, user, privileges, table)


def revoke(database: str, user: str, privileges: Sequence[str], table: str | None) -> Request[None]:
    return _change("revoke_privileges", database, user, privileges, table)


def _change(op: str, database: str, user: str, privileges: Sequence[str], table: str | None) -> Request[None]:
    return Request({"op": op, "user": user, "privileges": list(privileges), "table": table, "database": database}, done)


def user_privileges(user: str) -> Request[list[PrivilegesInfo]]:
    return Request({"op": "get_user_privileges", "user": user}, _privileges, is_read=True)


def table_privileges(database: str, table: str) -> Request[PrivilegesInfo]:
    return Request({"op": "get_table_privileges", "table": table, "database": database}, _of_table, is_read=True)


def _privileges(reply: Reply) -> list[PrivilegesInfo]:
    return list(map(PrivilegesInfo.of, reply["privileges"]))


def _of_table(reply: Reply) -> PrivilegesInfo:
    return _privileges(reply)[0]
