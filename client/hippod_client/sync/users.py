"""Users, and what they may do."""

from __future__ import annotations

from collections.abc import Sequence

from hippod_client import requests
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.definitions import PrivilegesInfo, UserInfo
from hippod_client.sync.calls import Calls


class UserMethods(Calls):
    """Part of `Client`."""

    def create_user(
        self,
        user: str,
        password: str,
        *,
        is_superuser: bool = False,
        can_create_database: bool = False,
        can_create_role: bool = False,
        timeout: Timeout = DEFAULT,
    ) -> None:
        self._call(requests.create_user(user, password, is_superuser, can_create_database, can_create_role), timeout)

    def alter_user(
        self,
        user: str,
        *,
        password: str | None = None,
        is_superuser: bool | None = None,
        can_create_database: bool | None = None,
        can_create_role: bool | None = None,
        timeout: Timeout = DEFAULT,
    ) -> None:
        self._call(requests.alter_user(user, password, is_superuser, can_create_database, can_create_role), timeout)

    def drop_user(self, user: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_user(user), timeout)

    def describe_user(self, user: str, *, timeout: Timeout = DEFAULT) -> UserInfo:
        return self._call(requests.describe_user(user), timeout)

    def list_users(self, pattern: str = "*", *, timeout: Timeout = DEFAULT) -> list[UserInfo]:
        return self._call(requests.list_users(pattern), timeout)

    def grant(self, user: str, privileges: Sequence[str], table: str | None = None, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.grant(self.database, user, privileges, table), timeout)

    def revoke(self, user: str, privileges: Sequence[str], table: str | None = None, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.revoke(self.database, user, privileges, table), timeout)

    def user_privileges(self, user: str, *, timeout: Timeout = DEFAULT) -> list[PrivilegesInfo]:
        return self._call(requests.user_privileges(user), timeout)

    def table_privileges(self, table: str, *, timeout: Timeout = DEFAULT) -> PrivilegesInfo:
        return self._call(requests.table_privileges(self.database, table), timeout)
