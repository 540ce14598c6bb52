"""The settings that a table knows, and changes of them. Each function raises Rejected or a descendant, and changes nothing.

A definition holds what was set; the rest has its default. A setting without a default is absent until it is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from hippod.engine.catalog.documents import TableDefinition
from hippod.engine.operations.settings import SettingValue
from hippod.errors import LimitExceeded, Rejected, TypeMismatch

SHARDS: Final = "number_of_shards"
REPLICAS: Final = "number_of_replicas"
TAG: Final = "tag"
TAG_CLEAR: Final = "tag.clear"
DELETION_SHARE: Final = "embedding.segment.max_deletion_proportion"
SETTING_CHARACTERS_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Setting:
    """`low` and `high` bound numbers, inclusive."""

    kind: type[bool | int | float | str]
    default: SettingValue | None
    low: float = 0.0
    high: float = 0.0


SETTINGS: Final[dict[str, Setting]] = {
    REPLICAS: Setting(int, 1, 1, 5),
    "data_center": Setting(str, None),
    TAG: Setting(str, None),
    "disaster_preparedness": Setting(bool, True),
    "scatter_replica": Setting(bool, True),
    "dc_affinity": Setting(bool, True),
    "embedding.segment.max_size_mb": Setting(int, 512, 1, 65_536),
    "embedding.segment.seal_proportion": Setting(float, 0.2, 0.01, 1.0),
    DELETION_SHARE: Setting(float, None, 0.01, 1.0),
}


def with_settings(table: TableDefinition, wanted: Mapping[str, SettingValue | None]) -> TableDefinition:
    """The table with some settings changed. `tag.clear` removes the tag that it had before the request."""
    if wanted.get(SHARDS, table.tablets) != table.tablets:
        raise Rejected(f"number_of_shards of table {table.name!r} is {table.tablets} and cannot be changed", setting=SHARDS)
    clear = wanted.get(TAG_CLEAR)
    cleared = {TAG} if clear is not None and _checked(TAG_CLEAR, Setting(bool, None), clear) else set()
    changes = {name: value for name, value in wanted.items() if name not in (SHARDS, TAG_CLEAR)}
    kept = {name: value for name, value in table.settings.items() if name not in changes and name not in cleared}
    return msgspec.structs.replace(table, settings={**kept, **checked_settings(changes)})


def checked_settings(wanted: Mapping[str, SettingValue | None]) -> dict[str, SettingValue]:
    """Those that have a value, which is of their type and range. Raises Rejected for what is no setting that can be kept."""
    for name in wanted:
        if name not in SETTINGS:
            raise Rejected(f"no setting {name[:128]!r}; there are {', '.join((*SETTINGS, TAG_CLEAR))}", setting=name[:128])
    return {name: _checked(name, SETTINGS[name], value) for name, value in wanted.items() if value is not None}


def settings_of(table: TableDefinition) -> dict[str, SettingValue]:
    """Every setting that has a value, and the number of shards."""
    defaults = {name: setting.default for name, setting in SETTINGS.items() if setting.default is not None}
    return {SHARDS: table.tablets, **defaults, **table.settings}


def _checked(name: str, setting: Setting, value: SettingValue) -> SettingValue:
    if setting.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not setting.kind:
        raise TypeMismatch(f"setting {name!r} takes a value of type {setting.kind.__name__}, not {value!r:.64}", setting=name)
    if isinstance(value, str):
        if not 1 <= len(value) <= SETTING_CHARACTERS_MAX:
            raise LimitExceeded(
                f"setting {name!r} is a text of 1 to {SETTING_CHARACTERS_MAX} characters", setting=name, limit=SETTING_CHARACTERS_MAX
            )
    elif setting.kind is not bool and not setting.low <= value <= setting.high:
        raise LimitExceeded(f"setting {name!r} is from {setting.low:g} to {setting.high:g}, not {value}", setting=name, limit=setting.high)
    return value
