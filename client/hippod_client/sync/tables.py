"""Databases, tables, and what tables are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hippod_client import requests
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.definitions import AliasInfo, SettingValue, TableInfo, TemplateInfo, TrashedTable
from hippod_client.partitions import Partition, Partitioning
from hippod_client.schema import Field
from hippod_client.sync.calls import Calls


class TableMethods(Calls):
    """Part of `Client`."""

    def create_database(self, database: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.create_database(database), timeout)

    def drop_database(self, database: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_database(database), timeout)

    def list_databases(self, *, timeout: Timeout = DEFAULT) -> list[str]:
        return self._call(requests.list_databases(), timeout)

    def create_table(
        self,
        table: str,
        fields: Iterable[Field],
        *,
        auto_id: bool = False,
        tablets: int = 1,
        partitioning: Partitioning | None = None,
        settings: Mapping[str, SettingValue] | None = None,
        timeout: Timeout = DEFAULT,
    ) -> None:
        self._call(requests.create_table(self.database, table, fields, auto_id, tablets, partitioning, settings), timeout)

    def drop_table(self, table: str, *, purge: bool = False, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_table(self.database, table, purge), timeout)

    def describe_table(self, table: str, *, timeout: Timeout = DEFAULT) -> TableInfo:
        return self._call(requests.describe_table(self.database, table), timeout)

    def list_tables(self, *, timeout: Timeout = DEFAULT) -> list[str]:
        return self._call(requests.list_tables(self.database), timeout)

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

    def describe_tables(self, pattern: str = "*", *, timeout: Timeout = DEFAULT) -> list[TableInfo]:
        return self._call(requests.describe_tables(self.database, pattern), timeout)

    def add_partitions(self, table: str, partitions: Iterable[Partition], *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.add_partitions(self.database, table, partitions), timeout)

    def drop_partitions(self, table: str, names: Sequence[str], *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_partitions(self.database, table, names), timeout)
