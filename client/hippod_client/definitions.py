"""What calls about tables, aliases, templates, users and privileges return. Values only, as in `results`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hippod_client.results import Record

SettingValue = bool | int | float | str


@dataclass(frozen=True, slots=True)
class TrashedTable(Record):
    """A dropped table that can be restored; `dropped` and `expires` are in seconds since the epoch."""

    table: str
    database: str
    id: str
    rows: int
    dropped: float
    expires: float


@dataclass(frozen=True, slots=True)
class AliasInfo(Record):
    """Reads go to the first of `tables`, writes to `write_table` or the only one."""

    alias: str
    database: str
    tables: list[str]
    write_table: str | None


@dataclass(frozen=True, slots=True)
class TemplateInfo(Record):
    """`indexes` as `put_template` takes them."""

    template: str
    patterns: list[str]
    order: int
    settings: dict[str, SettingValue]
    indexes: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class UserInfo(Record):
    """A user, without its password."""

    user: str
    is_superuser: bool
    can_create_role: bool
    can_create_database: bool


@dataclass(frozen=True, slots=True)
class GrantInfo(Record):
    """`privileges` (create, access, all) of one user; `grantor` gave the last of them."""

    user: str
    grantor: str
    privileges: list[str]


@dataclass(frozen=True, slots=True)
class PrivilegesInfo:
    """Who has what on a table; on a whole database `table`, `id` and `owner` are None."""

    database: str
    table: str | None
    id: str | None
    owner: str | None
    grants: tuple[GrantInfo, ...]

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> PrivilegesInfo:
        grants = tuple(map(GrantInfo.of, reply["grants"]))
        return cls(reply["database"], reply["table"], reply["id"], reply["owner"], grants)
