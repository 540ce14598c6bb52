"""Changes of aliases. A list of actions is one change: all of them or none. Raises Rejected or a descendant, and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from hippod.engine.catalog.catalog import Catalog
from hippod.engine.catalog.documents import Alias, Changes, alias_key, delete_alias, put_alias
from hippod.engine.operations.aliases import ACTIONS_MAX, AddAlias, AliasAction, RemoveAlias
from hippod.engine.schema import check_name
from hippod.errors import AliasNotFound, AlreadyExists, LimitExceeded, Rejected

ALIASES_MAX: Final = 10_000
ALIAS_TABLES_MAX: Final = 256


def change_aliases(catalog: Catalog, actions: Sequence[AliasAction]) -> Changes:
    """Each action sees what those before it did."""
    if not 1 <= len(actions) <= ACTIONS_MAX:
        raise LimitExceeded(f"a change of aliases has 1 to {ACTIONS_MAX} actions, not {len(actions)}", limit=ACTIONS_MAX)
    changed: dict[tuple[str, str], Alias | None] = {}
    for action in actions:
        where = action.database, action.alias
        before = changed[where] if where in changed else catalog.aliases.get(where)
        table = catalog.table(action.database, action.table).number
        changed[where] = _added(catalog, action, before, table) if isinstance(action, AddAlias) else _removed(action, before, table)
    new = sum(alias is not None and where not in catalog.aliases for where, alias in changed.items())
    if len(catalog.aliases) + new > ALIASES_MAX:
        raise LimitExceeded(f"there are at most {ALIASES_MAX} aliases", limit=ALIASES_MAX)
    return tuple(put_alias(alias) if alias is not None else (alias_key(*where), None) for where, alias in changed.items())


def drop_alias(catalog: Catalog, database: str, name: str) -> Changes:
    catalog.require_database(database)
    alias = catalog.aliases.get((database, name))
    if alias is None:
        raise _not_found(database, name)
    return (delete_alias(alias),)


def _added(catalog: Catalog, action: AddAlias, alias: Alias | None, table: int) -> Alias:
    if alias is None:
        check_name("alias", action.alias)
        if (action.database, action.alias) in catalog.tables:
            raise AlreadyExists(f"{action.alias!r} is a table of database {action.database!r}: an alias needs another name")
        alias = Alias(action.database, action.alias, ())
    tables = alias.tables if table in alias.tables else (*alias.tables, table)
    if len(tables) > ALIAS_TABLES_MAX:
        raise LimitExceeded(f"an alias has at most {ALIAS_TABLES_MAX} tables", limit=ALIAS_TABLES_MAX)
    write_table = alias.write_table
    if action.is_write_table:
        if write_table not in (None, table):
            named = catalog.by_number[write_table].name if write_table is not None else ""
            raise Rejected(f"alias {alias.name!r} has a write table already, {named!r}: take the flag from it first", alias=alias.name)
        write_table = table
    elif action.is_write_table is False and write_table == table:
        write_table = None
    return msgspec.structs.replace(alias, tables=tables, write_table=write_table)


def _removed(action: RemoveAlias, alias: Alias | None, table: int) -> Alias | None:
    if alias is None or table not in alias.tables:
        raise _not_found(action.database, action.alias, f" for table {action.table!r}")
    left = tuple(number for number in alias.tables if number != table)
    if not left:
        return None
    return msgspec.structs.replace(alias, tables=left, write_table=None if alias.write_table == table else alias.write_table)


def _not_found(database: str, name: str, rest: str = "") -> AliasNotFound:
    return AliasNotFound(f"no alias {name[:128]!r} in database {database[:128]!r}{rest}", alias=name[:128])
