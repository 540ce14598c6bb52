"""The calls of `administration`, blocking."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from hippod_client import requests
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.definitions import AliasInfo, PrivilegesInfo, SettingValue, TemplateInfo, TrashedTable, UserInfo
from hippod_client.requests.base import Request
from hippod_client.schema import Field

T = TypeVar("T")


class Administration(ABC):
    """Part of `sync.Client`. Each method does what the one of the same name of `administration.Administration` does."""

    database: str

    @abstractmethod
    def _call(self, request: Request[T], timeout: Timeout) -> T:
        """Send a request and read its reply."""

    def rename_table(self, table: str, new_name: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.rename_table(self.database, table, new_name), timeout)

    def restore_table(self, table: str, new_name: str | None = None, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.restore_table(self.database, table, new_name), timeout)

    def purge_table(self, table: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.purge_table(self.database, table), timeout)

    def list_trash(self, *, timeout: Timeout = DEFAULT) -> list[TrashedTable]:
        return self._call(requests.list_trash(self.database), timeout)

    def close_tables(self, pattern: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.close_tables(self.database, pattern), timeout)

    def open_tables(self, pattern: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.open_tables(self.database, pattern), timeout)

    def add_alias(self, alias: str, table: str, *, is_write_table: bool | None = None, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.add_alias(self.database, alias, table, is_write_table), timeout)

    def remove_alias(self, alias: str, table: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.remove_alias(self.database, alias, table), timeout)

    def drop_alias(self, alias: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_alias(self.database, alias), timeout)

    def list_aliases(self, pattern: str = "*", *, timeout: Timeout = DEFAULT) -> list[AliasInfo]:
        return self._call(requests.list_aliases(self.database, pattern), timeout)

    def add_fields(self, table: str, fields: Iterable[Field], *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.add_fields(self.database, table, fields), timeout)

    def drop_fields(self, table: str, fields: Sequence[str], *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_fields(self.database, table, fields), timeout)

    def rename_fields(self, table: str, names: Mapping[str, str], *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.rename_fields(self.database, table, names), timeout)

    def change_settings(self, table: str, settings: Mapping[str, SettingValue | None], *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.change_settings(self.database, table, settings), timeout)

    def get_settings(self, table: str, *, timeout: Timeout = DEFAULT) -> dict[str, SettingValue]:
        return self._call(requests.get_settings(self.database, table), timeout)

    def put_template(
        self,
        template: str,
        patterns: Sequence[str],
        *,
        order: int = 0,
        settings: Mapping[str, SettingValue] | None = None,
        indexes: Sequence[Mapping[str, Any]] = (),
        timeout: Timeout = DEFAULT,
    ) -> None:
        self._call(requests.put_template(template, patterns, order, settings, indexes), timeout)

    def drop_template(self, template: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_template(template), timeout)

    def list_templates(self, pattern: str = "*", *, timeout: Timeout = DEFAULT) -> list[TemplateInfo]:
        return self._call(requests.list_templates(pattern), timeout)

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
