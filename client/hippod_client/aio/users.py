"""Users, and what they may do."""

from __future__ import annotations

from collections.abc import Sequence

from hippod_client import requests
from hippod_client.aio.calls import Calls
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.definitions import PrivilegesInfo, UserInfo


class UserMethods(Calls):
    """Part of `Client`."""

    async def create_user(
        self,
        user: str,
        password: str,
        *,
        is_superuser: bool = False,
        can_create_database: bool = False,
        can_create_role: bool = False,
        timeout: Timeout = DEFAULT,
    ) -> None:
        """Make a user. Raises AlreadyExists, InvalidName or LimitExceeded."""
        await self._call(requests.create_user(user, password, is_superuser, can_create_database, can_create_role), timeout)

    async def alter_user(
        self,
        user: str,
        *,
        password: str | None = None,
        is_superuser: bool | None = None,
        can_create_database: bool | None = None,
        can_create_role: bool | None = None,
        timeout: Timeout = DEFAULT,
    ) -> None:
        """Change what is given. Raises UserNotFound, or Rejected for the last superuser."""
        await self._call(requests.alter_user(user, password, is_superuser, can_create_database, can_create_role), timeout)

    async def drop_user(self, user: str, *, timeout: Timeout = DEFAULT) -> None:
        """Remove a user; its tables stay, and are yours. Raises UserNotFound, or Rejected for yourself."""
        await self._call(requests.drop_user(user), timeout)

    async def describe_user(self, user: str, *, timeout: Timeout = DEFAULT) -> UserInfo:
        """What a user may do as a whole. Raises UserNotFound."""
        return await self._call(requests.describe_user(user), timeout)

    async def list_users(self, pattern: str = "*", *, timeout: Timeout = DEFAULT) -> list[UserInfo]:
        """The users whose names match, sorted."""
        return await self._call(requests.list_users(pattern), timeout)

    async def grant(self, user: str, privileges: Sequence[str], table: str | None = None, *, timeout: Timeout = DEFAULT) -> None:
        """Give a user privileges (create, access, all) on a table, or on the whole database. Raises UserNotFound or TableNotFound."""
        await self._call(requests.grant(self.database, user, privileges, table), timeout)

    async def revoke(self, user: str, privileges: Sequence[str], table: str | None = None, *, timeout: Timeout = DEFAULT) -> None:
        """Take privileges away from a user; those that it has not are no error. Raises UserNotFound or TableNotFound."""
        await self._call(requests.revoke(self.database, user, privileges, table), timeout)

    async def user_privileges(self, user: str, *, timeout: Timeout = DEFAULT) -> list[PrivilegesInfo]:
        """What was granted to a user, and what it owns. Raises UserNotFound."""
        return await self._call(requests.user_privileges(user), timeout)

    async def table_privileges(self, table: str, *, timeout: Timeout = DEFAULT) -> PrivilegesInfo:
        """Who owns a table, and to whom it was granted. Raises TableNotFound."""
        return await self._call(requests.table_privileges(self.database, table), timeout)
