"""Partitions: parts of a table that rows belong to by the values of some of their fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hippod_client.results import Record


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition. `bound` has a value for each partition field, in their order; dates and times as integers or ISO 8601 text.
    `table_name` is a second name that is kept and shown."""

    name: str
    bound: Sequence[Any]
    table_name: str | None = None

    def to_wire(self) -> dict[str, Any]:
        return {"name": self.name, "bound": list(self.bound), "table_name": self.table_name}


@dataclass(frozen=True, slots=True)
class Partitioning:
    """How a table is partitioned by the values of `fields`. `kind`: range (a row belongs to the first partition whose bound is above its
    values), single_value (to the one whose bound equals them), or hash (to one of `count` that a hash picks)."""

    kind: str
    fields: Sequence[str]
    partitions: Sequence[Partition] = ()
    count: int | None = None

    def to_wire(self) -> dict[str, Any]:
        partitions = [partition.to_wire() for partition in self.partitions]
        return {"kind": self.kind, "fields": list(self.fields), "partitions": partitions, "count": self.count}


@dataclass(frozen=True, slots=True)
class PartitionInfo(Record):
    """`bound` in storage form (none of a hash partition); `tablets` by number; `rows` that live in it."""

    name: str
    table_name: str | None
    bound: list[Any]
    tablets: list[int]
    rows: int


@dataclass(frozen=True, slots=True)
class PartitioningInfo:
    """The partitions in the order in which rows look for them."""

    kind: str
    fields: tuple[str, ...]
    partitions: tuple[PartitionInfo, ...]

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> PartitioningInfo:
        return cls(reply["kind"], tuple(reply["fields"]), tuple(map(PartitionInfo.of, reply["partitions"])))
