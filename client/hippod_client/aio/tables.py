"""Databases, tables, and what tables are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hippod_client import requests
from hippod_client.aio.calls import Calls
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.definitions import AliasInfo, SettingValue, TableInfo, TemplateInfo, TrashedTable
from hippod_client.partitions import Partition, Partitioning
from hippod_client.schema import Field


class TableMethods(Calls):
    """Part of `Client`."""

    async def create_database(self, database: str, *, timeout: Timeout = DEFAULT) -> None:
        """Raises InvalidName, AlreadyExists or LimitExceeded."""
        await self._call(requests.create_database(database), timeout)

    async def drop_database(self, database: str, *, timeout: Timeout = DEFAULT) -> None:
        """Raises DatabaseNotFound, or Rejected while it has tables."""
        await self._call(requests.drop_database(database), timeout)

    async def list_databases(self, *, timeout: Timeout = DEFAULT) -> list[str]:
        """The names of all databases, sorted."""
        return await self._call(requests.list_databases(), timeout)

    async def create_table(
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
        """Make a table. One field is the primary key (int or string); with `auto_id` the server makes it for rows inserted without.

        `tablets` (1 to 64) divides the rows, or those of each partition, by a hash of their key. `settings` as `change_settings` takes
        them. Raises InvalidName, AlreadyExists, LimitExceeded or Rejected.
        """
        await self._call(requests.create_table(self.database, table, fields, auto_id, tablets, partitioning, settings), timeout)

    async def drop_table(self, table: str, *, purge: bool = False, timeout: Timeout = DEFAULT) -> None:
        """Put a table into the trash, which keeps its rows for some days and then forgets them; `purge`: forget them at once.

        Raises TableNotFound."""
        await self._call(requests.drop_table(self.database, table, purge), timeout)

    async def describe_table(self, table: str, *, timeout: Timeout = DEFAULT) -> TableInfo:
        """Fields, indexes and number of rows. Raises TableNotFound."""
        return await self._call(requests.describe_table(self.database, table), timeout)

    async def list_tables(self, *, timeout: Timeout = DEFAULT) -> list[str]:
        """The names of all tables of the database, sorted."""
        return await self._call(requests.list_tables(self.database), timeout)

    async def rename_table(self, table: str, new_name: str, *, timeout: Timeout = DEFAULT) -> None:
        """Give a table a new name; its id stays, aliases follow. Raises TableNotFound, AlreadyExists or InvalidName."""
        await self._call(requests.rename_table(self.database, table, new_name), timeout)

    async def restore_table(self, table: str, new_name: str | None = None, *, timeout: Timeout = DEFAULT) -> None:
        """Take a table out of the trash, by its id or the last one dropped of that name. Its indexes come back released.

        Raises TableNotFound, or AlreadyExists while a table has the name."""
        await self._call(requests.restore_table(self.database, table, new_name), timeout)

    async def purge_table(self, table: str, *, timeout: Timeout = DEFAULT) -> None:
        """Remove a table in the trash for good: the one of this id, or all of this name. Raises TableNotFound."""
        await self._call(requests.purge_table(self.database, table), timeout)

    async def list_trash(self, *, timeout: Timeout = DEFAULT) -> list[TrashedTable]:
        """The dropped tables that can be restored, the last one dropped first."""
        return await self._call(requests.list_trash(self.database), timeout)

    async def close_tables(self, pattern: str, *, timeout: Timeout = DEFAULT) -> None:
        """Take the tables out of memory whose names match (with `*`, separated by commas); access to their rows raises TableClosed."""
        await self._call(requests.close_tables(self.database, pattern), timeout)

    async def open_tables(self, pattern: str, *, timeout: Timeout = DEFAULT) -> None:
        """Open closed tables. Their indexes stay released until `load_index`."""
        await self._call(requests.open_tables(self.database, pattern), timeout)

    async def add_alias(self, alias: str, table: str, *, is_write_table: bool | None = None, timeout: Timeout = DEFAULT) -> None:
        """Let `alias` lead to `table` as well; `is_write_table`: writes through it go there. Raises TableNotFound or AlreadyExists."""
        await self._call(requests.add_alias(self.database, alias, table, is_write_table), timeout)

    async def remove_alias(self, alias: str, table: str, *, timeout: Timeout = DEFAULT) -> None:
        """Let `alias` not lead to `table` any more; without any table it is gone. Raises AliasNotFound."""
        await self._call(requests.remove_alias(self.database, alias, table), timeout)

    async def drop_alias(self, alias: str, *, timeout: Timeout = DEFAULT) -> None:
        """Remove an alias; its tables stay. Raises AliasNotFound."""
        await self._call(requests.drop_alias(self.database, alias), timeout)

    async def list_aliases(self, pattern: str = "*", *, timeout: Timeout = DEFAULT) -> list[AliasInfo]:
        """The aliases of the database whose names match."""
        return await self._call(requests.list_aliases(self.database, pattern), timeout)

    async def add_fields(self, table: str, fields: Iterable[Field], *, timeout: Timeout = DEFAULT) -> None:
        """Add scalar fields; rows that exist get their default, or null. Raises Rejected for one with neither while there are rows."""
        await self._call(requests.add_fields(self.database, table, fields), timeout)

    async def drop_fields(self, table: str, fields: Sequence[str], *, timeout: Timeout = DEFAULT) -> None:
        """Remove fields with their cells. Raises FieldNotFound, or Rejected for a key, an indexed or a partition field."""
        await self._call(requests.drop_fields(self.database, table, fields), timeout)

    async def rename_fields(self, table: str, names: Mapping[str, str], *, timeout: Timeout = DEFAULT) -> None:
        """Give fields new names, old -> new, all at once. Raises FieldNotFound or Rejected."""
        await self._call(requests.rename_fields(self.database, table, names), timeout)

    async def change_settings(self, table: str, settings: Mapping[str, SettingValue | None], *, timeout: Timeout = DEFAULT) -> None:
        """Change settings of a table, all or none; None sets one back to its default. Raises Rejected, TypeMismatch or LimitExceeded."""
        await self._call(requests.change_settings(self.database, table, settings), timeout)

    async def get_settings(self, table: str, *, timeout: Timeout = DEFAULT) -> dict[str, SettingValue]:
        """All settings of a table. Raises TableNotFound."""
        return await self._call(requests.get_settings(self.database, table), timeout)

    async def put_template(
        self,
        template: str,
        patterns: Sequence[str],
        *,
        order: int = 0,
        settings: Mapping[str, SettingValue] | None = None,
        indexes: Sequence[Mapping[str, Any]] = (),
        timeout: Timeout = DEFAULT,
    ) -> None:
        """Make or replace a template: tables created later whose names match one of `patterns` get its settings and indexes.

        An index is a mapping with `index`, `field` and, if need be, `type`, `metric` and `params`. Where several templates differ, the one
        with the highest `order` holds. Raises Rejected or LimitExceeded."""
        await self._call(requests.put_template(template, patterns, order, settings, indexes), timeout)

    async def drop_template(self, template: str, *, timeout: Timeout = DEFAULT) -> None:
        """Remove a template; tables stay as they are. Raises TemplateNotFound."""
        await self._call(requests.drop_template(template), timeout)

    async def list_templates(self, pattern: str = "*", *, timeout: Timeout = DEFAULT) -> list[TemplateInfo]:
        """The templates whose names match, in the order in which they are applied."""
        return await self._call(requests.list_templates(pattern), timeout)

    async def describe_tables(self, pattern: str = "*", *, timeout: Timeout = DEFAULT) -> list[TableInfo]:
        """As `describe_table`, of all tables whose names match, by name."""
        return await self._call(requests.describe_tables(self.database, pattern), timeout)

    async def add_partitions(self, table: str, partitions: Iterable[Partition], *, timeout: Timeout = DEFAULT) -> None:
        """Add partitions to a table that has some by range, above all that it has, or by single values.

        Raises AlreadyExists, LimitExceeded, TypeMismatch or Rejected."""
        await self._call(requests.add_partitions(self.database, table, partitions), timeout)

    async def drop_partitions(self, table: str, names: Sequence[str], *, timeout: Timeout = DEFAULT) -> None:
        """Remove partitions with all their rows. Raises PartitionNotFound, or WrongState while a job runs on the table."""
        await self._call(requests.drop_partitions(self.database, table, names), timeout)
