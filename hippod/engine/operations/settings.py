"""Requests and results about settings: how a table is to be kept, changed while it lives."""

from __future__ import annotations

import msgspec

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result

SettingValue = bool | int | float | str


class ChangeSettings(Operation, frozen=True, tag="change_settings"):
    """Set some settings of a table, all of them or none; nil sets one back to its default. See docs/tables.md."""

    table: str
    settings: dict[str, SettingValue | None]
    database: str = DEFAULT_DATABASE


class GetSettings(Operation, frozen=True, tag="get_settings"):
    """All settings of the tables whose names match `pattern` (names with `*`, separated by commas; aliases too); `database` None means
    all databases."""

    is_read = True
    pattern: str = "*"
    database: str | None = DEFAULT_DATABASE


class TableSettings(msgspec.Struct, frozen=True):
    """The settings of one table: those that were set, and the defaults of the others."""

    table: str
    database: str
    settings: dict[str, SettingValue]


class SettingsList(Result, frozen=True):
    """By database and name."""

    tables: list[TableSettings]
