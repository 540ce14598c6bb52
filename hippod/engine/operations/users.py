"""Requests and results about users."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations.base import Operation, Result

PASSWORD_BYTES_MAX: Final = 256


class CreateUser(Operation, frozen=True, tag="create_user"):
    """Make a user, with a password of 1 to PASSWORD_BYTES_MAX bytes. A superuser may do everything; others what they own, and what they
    are granted. `can_create_role` is kept and shown, there are no roles."""

    user: str
    password: str
    is_superuser: bool = False
    can_create_role: bool = False
    can_create_database: bool = False

    def __repr__(self) -> str:
        return f"CreateUser({self.user!r})"


class AlterUser(Operation, frozen=True, tag="alter_user"):
    """Change what is given, and leave the rest. A new password holds for the next login. The last superuser stays one."""

    user: str
    password: str | None = None
    is_superuser: bool | None = None
    can_create_role: bool | None = None
    can_create_database: bool | None = None

    def __repr__(self) -> str:
        return f"AlterUser({self.user!r})"


class DropUser(Operation, frozen=True, tag="drop_user"):
    """Remove a user and what was granted to it. Its tables stay; they belong to who drops it, who must be another one."""

    user: str


class DescribeUser(Operation, frozen=True, tag="describe_user"):
    """What a user may do as a whole; for its privileges see get_user_privileges."""

    is_read = True
    user: str


class ListUsers(Operation, frozen=True, tag="list_users"):
    """The users whose name matches `pattern` (names with `*`, separated by commas)."""

    is_read = True
    pattern: str = "*"


class UserInfo(Result, frozen=True):
    """A user without its password."""

    user: str
    is_superuser: bool
    can_create_role: bool
    can_create_database: bool


class UserList(Result, frozen=True):
    """In alphabetical order of the names."""

    users: list[UserInfo]
