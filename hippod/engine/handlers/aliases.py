"""Operations on aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.catalog import aliases
from hippod.engine.catalog.documents import Alias
from hippod.engine.operations import AliasInfo, AliasList, ChangeAliases, Done, DropAlias, ListAliases
from hippod.engine.patterns import check_patterns, name_matcher

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def change_aliases(engine: Engine, operation: ChangeAliases, deadline: float | None) -> Done:
    await engine.change_catalog(lambda: aliases.change_aliases(engine.catalog, operation.actions), deadline)
    return Done()


async def drop_alias(engine: Engine, operation: DropAlias, deadline: float | None) -> Done:
    await engine.change_catalog(lambda: aliases.drop_alias(engine.catalog, operation.database, operation.alias), deadline)
    return Done()


def list_aliases(engine: Engine, operation: ListAliases, _deadline: float | None) -> AliasList:
    if operation.database is not None:
        engine.catalog.require_database(operation.database)
    means = name_matcher(check_patterns(operation.pattern))
    found = [a for _, a in sorted(engine.catalog.aliases.items()) if operation.database in (None, a.database) and means(a.name)]
    return AliasList([_info(engine, alias) for alias in found])


def _info(engine: Engine, alias: Alias) -> AliasInfo:
    names = [engine.catalog.by_number[number].name for number in alias.tables]
    write_table = None if alias.write_table is None else engine.catalog.by_number[alias.write_table].name
    return AliasInfo(alias.name, alias.database, names, write_table)
