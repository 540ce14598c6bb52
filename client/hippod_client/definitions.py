"""What calls about tables, aliases, templates, users and privileges return. Values only, as in `results`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hippod_client.errors import FieldNotFound
from hippod_client.partitions import PartitioningInfo
from hippod_client.results import IndexInfo, Record
from hippod_client.schema import Field

SettingValue = bool | int | float | str


@dataclass(frozen=True, slots=True)
class ScalarIndexInfo(Record):
    """`memory_bytes`: what is held for its fields now, shared with other indexes on them; 0 before a filter needed it."""

    index: str
    fields: list[str]
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class TableInfo:
    """`id` survives renames; `rows` counts living rows; `state` is open or closed; `created` is in seconds since the epoch; `aliases` lead
    to it; `tablets` are in each partition, if it has a `partitioning`; `owner` may do everything with it."""

    table: str
    database: str
    id: str
    fields: tuple[Field, ...]
    auto_id: bool
    tablets: int
    rows: int
    indexes: tuple[IndexInfo, ...]
    state: str
    created: float
    aliases: tuple[str, ...]
    settings: dict[str, SettingValue]
    owner: str
    partitioning: PartitioningInfo | None
    scalar_indexes: tuple[ScalarIndexInfo, ...]

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> TableInfo:
        schema = reply["schema"]
        partitioning = reply.get("partitioning")
        return cls(
            table=reply["table"],
            database=reply["database"],
            id=reply["id"],
            fields=tuple(map(Field.from_wire, schema["fields"])),
            auto_id=schema.get("auto_id", False),
            tablets=reply["tablets"],
            rows=reply["rows"],
            indexes=tuple(map(IndexInfo.of, reply["indexes"])),
            state=reply["state"],
            created=reply["created"],
            aliases=tuple(reply["aliases"]),
            settings=dict(reply["settings"]),
            owner=reply["owner"],
            partitioning=None if partitioning is None else PartitioningInfo.of(partitioning),
            scalar_indexes=tuple(map(ScalarIndexInfo.of, reply["scalar_indexes"])),
        )

    def field(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise FieldNotFound(f"no field {name!r} in table {self.table!r}", {"field": name})

    @property
    def primary_key(self) -> Field:
        return next(field for field in self.fields if field.primary_key)


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


@dataclass(frozen=True, slots=True)
class FieldStatistics(Record):
    """`keys`: living cells that are not null; `distinct` values among them; `null_frequency` from 0.0 to 1.0; `correlation` of the order
    of the values with that of the rows, from -1.0 to 1.0."""

    field: str
    keys: int
    distinct: int
    null_frequency: float
    correlation: float


@dataclass(frozen=True, slots=True)
class TabletStatistics:
    """Of one tablet, by the order of its fields; `is_current`: no write has changed it since."""

    tablet: int
    is_current: bool
    fields: tuple[FieldStatistics, ...]

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> TabletStatistics:
        return cls(reply["tablet"], reply["is_current"], tuple(map(FieldStatistics.of, reply["fields"])))


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """Another server that speaks Hippo's REST API, to copy rows from: `hosts` as host:port, tried in order, with a user there."""

    hosts: list[str]
    user: str
    password: str

    def to_wire(self) -> dict[str, Any]:
        return {"hosts": list(self.hosts), "user": self.user, "password": self.password}
