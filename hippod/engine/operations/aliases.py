"""Requests and results about aliases: other names for tables, which every read and write takes in the place of a table's name."""

from __future__ import annotations

from typing import Final

import msgspec

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result

ACTIONS_MAX: Final = 256


class AddAlias(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="add"):
    """Let `alias` lead to `table` as well. `is_write_table`: writes through the alias go to it; None leaves that as it is."""

    alias: str
    table: str
    is_write_table: bool | None = None
    database: str = DEFAULT_DATABASE


class RemoveAlias(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="remove"):
    """Let `alias` not lead to `table` any more; without any table it is gone."""

    alias: str
    table: str
    database: str = DEFAULT_DATABASE


AliasAction = AddAlias | RemoveAlias


class ChangeAliases(Operation, frozen=True, tag="change_aliases"):
    """Carry out 1 to ACTIONS_MAX actions, in order, as one change."""

    actions: list[AliasAction]


class DropAlias(Operation, frozen=True, tag="drop_alias"):
    """Remove an alias; its tables stay."""

    alias: str
    database: str = DEFAULT_DATABASE


class ListAliases(Operation, frozen=True, tag="list_aliases"):
    """The aliases of a database whose name matches `pattern` (names with `*`, separated by commas); None means all databases."""

    is_read = True
    pattern: str = "*"
    database: str | None = DEFAULT_DATABASE


class AliasInfo(msgspec.Struct, frozen=True):
    """`tables` in the order in which they were added: reads go to the first, writes to `write_table` or the only one."""

    alias: str
    database: str
    tables: list[str]
    write_table: str | None


class AliasList(Result, frozen=True):
    """By database and name."""

    aliases: list[AliasInfo]
