"""Operations on the settings of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.catalog import Changes, put_table, settings
from hippod.engine.catalog.documents import TableDefinition
from hippod.engine.operations import ChangeSettings, Done, GetSettings, SettingsList, TableSettings
from hippod.engine.patterns import check_patterns, name_matcher

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def change_settings(engine: Engine, operation: ChangeSettings, deadline: float | None) -> Done:
    def compute() -> Changes:
        table = engine.catalog.table(operation.database, operation.table)
        return (put_table(settings.with_settings(table, operation.settings)),)

    await engine.change_catalog(compute, deadline)
    return Done()


def get_settings(engine: Engine, operation: GetSettings, _deadline: float | None) -> SettingsList:
    parts = check_patterns(operation.pattern)
    databases = sorted(engine.catalog.databases) if operation.database is None else [operation.database]
    found = [table for database in databases for table in _matching(engine, database, parts, one=operation.database is not None)]
    return SettingsList([TableSettings(table.name, table.database, settings.settings_of(table)) for table in found])


def _matching(engine: Engine, database: str, parts: tuple[str, ...], *, one: bool) -> list[TableDefinition]:
    """By name. Where there is `one` database, a name without `*` must exist there and may be an alias."""
    means = name_matcher(parts)
    found = {table.number: table for table in engine.catalog.tables_of(database) if means(table.name)}
    if one:
        named = (engine.catalog.resolve(database, part) for part in parts if "*" not in part)
        found |= {table.number: table for table in named}
    return sorted(found.values(), key=lambda table: table.name)
