"""Routes of table settings."""

from __future__ import annotations

from typing import Final

import msgspec

from hippod.engine.operations import ChangeSettings, GetSettings, SettingsList
from hippod.engine.operations.settings import SettingValue
from hippod.net.rest.body import Body, DatabaseQuery, NoBody, Query
from hippod.net.rest.envelope import Acknowledged
from hippod.net.rest.routes import Call, Route


class AnyDatabaseQuery(Query, frozen=True):
    """Without a database: all of them."""

    database_name: str | None = None


class SettingsBody(Body, frozen=True):
    """One flat object; keys with a dot are names, not paths. What is null stays as it is."""

    number_of_shards: int | None = None
    number_of_replicas: int | None = None
    data_center: str | None = None
    tag: str | None = None
    tag_clear: bool | None = msgspec.field(default=None, name="tag.clear")
    disaster_preparedness: bool | None = None
    scatter_replica: bool | None = None
    dc_affinity: bool | None = None
    max_size_mb: int | None = msgspec.field(default=None, name="embedding.segment.max_size_mb")
    seal_proportion: float | None = msgspec.field(default=None, name="embedding.segment.seal_proportion")
    max_deletion_proportion: float | None = msgspec.field(default=None, name="embedding.segment.max_deletion_proportion")

    def given(self) -> dict[str, SettingValue | None]:
        """By the names of the engine."""
        found: dict[str, SettingValue | None] = msgspec.to_builtins(self)
        return {name: value for name, value in found.items() if value is not None}


SettingsAnswer = dict[str, dict[str, SettingValue]]


async def change_settings(call: Call[DatabaseQuery, SettingsBody]) -> Acknowledged:
    await call.execute(ChangeSettings(call.path["table"], call.body.given(), call.query.database_name))
    return Acknowledged()


async def table_settings(call: Call[DatabaseQuery, NoBody]) -> SettingsAnswer:
    asked, database = call.path["table"], call.query.database_name
    found: SettingsList = await call.execute(GetSettings(asked, database))
    if "*" in asked or "," in asked:
        return _by_name(found)
    # Under the name that was asked for, which may be an alias: clients look for it.
    return {f"{database}#{asked}": found.tables[0].settings}


async def all_settings(call: Call[AnyDatabaseQuery, NoBody]) -> SettingsAnswer:
    return _by_name(await call.execute(GetSettings(database=call.query.database_name)))


def _by_name(found: SettingsList) -> SettingsAnswer:
    return {f"{table.database}#{table.table}": table.settings for table in found.tables}


ROUTES: Final = (
    Route("PUT", "/{table}/_settings", change_settings, "Change settings of a table"),
    Route("GET", "/{table}/_settings", table_settings, "The settings of a table, or of those that a pattern means"),
    Route("GET", "/_settings", all_settings, "The settings of all tables"),
)
