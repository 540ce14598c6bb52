"""Requests and results about privileges: what users may do with tables that are not theirs."""

from __future__ import annotations

import enum

import msgspec

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result


class Privilege(enum.StrEnum):
    """ACCESS: read and write rows. CREATE: create tables, of a database. ALL: both, and everything else that the owner of a table may do,
    granting too. On a database each holds for all its tables, also those to come."""

    CREATE = "create"
    ACCESS = "access"
    ALL = "all"


class GrantPrivileges(Operation, frozen=True, tag="grant_privileges"):
    """Give a user privileges on a table, or on a whole database where `table` is None."""

    user: str
    privileges: list[Privilege]
    table: str | None = None
    database: str = DEFAULT_DATABASE


class RevokePrivileges(Operation, frozen=True, tag="revoke_privileges"):
    """Take privileges away from a user; those that it has not are no error. Of ALL, what is not taken away stays."""

    user: str
    privileges: list[Privilege]
    table: str | None = None
    database: str = DEFAULT_DATABASE


class GetUserPrivileges(Operation, frozen=True, tag="get_user_privileges"):
    """What was granted to a user, and what it owns."""

    is_read = True
    user: str


class GetTablePrivileges(Operation, frozen=True, tag="get_table_privileges"):
    """Who owns a table, and to whom it was granted."""

    is_read = True
    table: str
    database: str = DEFAULT_DATABASE


class GrantInfo(msgspec.Struct, frozen=True):
    """Privileges of one user, the last of which `grantor` gave."""

    user: str
    grantor: str
    privileges: list[Privilege]


class PrivilegesInfo(msgspec.Struct, frozen=True):
    """Who has what on one table, or on a database (`table`, `id` and `owner` are None then)."""

    database: str
    table: str | None
    id: str | None
    owner: str | None
    grants: list[GrantInfo]


class PrivilegeList(Result, frozen=True):
    """By database and table, databases before their tables; tables in the trash are left out."""

    privileges: list[PrivilegesInfo]
