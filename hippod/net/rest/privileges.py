"""Routes of privileges."""

from __future__ import annotations

from typing import Final

import msgspec

from hippod.engine.operations import (
    DEFAULT_DATABASE,
    GetTablePrivileges,
    GetUserPrivileges,
    GrantInfo,
    GrantPrivileges,
    Privilege,
    PrivilegeList,
    PrivilegesInfo,
    RevokePrivileges,
)
from hippod.errors import BadRequest
from hippod.net.rest.body import Body, DatabaseQuery, NoBody, Query
from hippod.net.rest.envelope import Acknowledged
from hippod.net.rest.routes import Call, Route


class PrivilegesBody(Body, frozen=True):
    """Without `table_name` on the whole database, which must be named then. Privileges in any case: create, access, all."""

    privileges: list[str]
    table_name: str | None = None
    database_name: str | None = None

    def target(self) -> tuple[list[Privilege], str | None, str]:
        """Privileges, table and database. Raises BadRequest."""
        if self.table_name is None and self.database_name is None:
            raise BadRequest("name the table, or the database that the privileges are on", field="database_name")
        return [_privilege(name) for name in self.privileges], self.table_name, self.database_name or DEFAULT_DATABASE


def _privilege(name: str) -> Privilege:
    try:
        return Privilege(name.lower())
    except ValueError:
        raise BadRequest(f"there is no privilege {name[:40]!r}; there are {', '.join(Privilege)}", field="privileges") from None


class PrivilegeView(msgspec.Struct, frozen=True):
    """The key of the second one has blanks."""

    privilege: str
    can_grant: bool = msgspec.field(name="with grant options")


class AclEntry(msgspec.Struct, frozen=True):
    role: str
    grantor: str
    privileges: list[PrivilegeView]


class AclView(msgspec.Struct, frozen=True, omit_defaults=True):
    """`id` and `owner` are of tables only."""

    acl: list[AclEntry]
    id: str | None = None
    owner: str | None = None


AclAnswer = dict[str, AclView]


async def grant(call: Call[Query, PrivilegesBody]) -> Acknowledged:
    await call.execute(GrantPrivileges(call.path["user"], *call.body.target()))
    return Acknowledged()


async def revoke(call: Call[Query, PrivilegesBody]) -> Acknowledged:
    await call.execute(RevokePrivileges(call.path["user"], *call.body.target()))
    return Acknowledged()


async def user_privileges(call: Call[Query, NoBody]) -> AclAnswer:
    return _by_name(await call.execute(GetUserPrivileges(call.path["user"])))


async def table_privileges(call: Call[DatabaseQuery, NoBody]) -> AclAnswer:
    return _by_name(await call.execute(GetTablePrivileges(call.path["table"], call.query.database_name)))


def _by_name(found: PrivilegeList) -> AclAnswer:
    """Tables are called database#table, databases by their name."""
    return {p.database if p.table is None else f"{p.database}#{p.table}": _view(p) for p in found.privileges}


def _view(privileges: PrivilegesInfo) -> AclView:
    return AclView([_entry(grant) for grant in privileges.grants], privileges.id, privileges.owner)


def _entry(grant: GrantInfo) -> AclEntry:
    views = [PrivilegeView(f"PRIV_{privilege.name}", privilege is Privilege.ALL) for privilege in grant.privileges]
    return AclEntry(grant.user, grant.grantor, views)


ROUTES: Final = (
    Route("POST", "/_security/acl/{user}", grant, "Grant privileges to a user"),
    Route("DELETE", "/_security/acl/{user}", revoke, "Revoke privileges of a user"),
    Route("GET", "/_security/user/_privileges/{user}", user_privileges, "What a user was granted, and owns"),
    Route("GET", "/_security/tables/{table}", table_privileges, "To whom a table was granted"),
)
