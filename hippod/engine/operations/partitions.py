"""Requests and results about partitions: parts of a table that rows belong to by the values of some of their fields."""

from __future__ import annotations

import enum
from typing import Any, Final

import msgspec

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result

PARTITIONS_MAX: Final = 1_024
PARTITION_FIELDS_MAX: Final = 4
PARTITIONED_TABLETS_MAX: Final = 1_024


class PartitionKind(enum.StrEnum):
    """RANGE: a row belongs to the first partition whose bound is above its values, compared field by field. SINGLE_VALUE: to the one
    whose bound equals them. HASH: to one that a hash of them picks."""

    RANGE = "range"
    SINGLE_VALUE = "single_value"
    HASH = "hash"


class Partition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One partition. `bound` has a value for each partition field, in their order (dates and times as integers or ISO 8601 text);
    `table_name` is a second name that is kept and shown."""

    name: str
    bound: list[Any]
    table_name: str | None = None


class Partitioning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a table is partitioned: by 1 to PARTITION_FIELDS_MAX scalar `fields`, neither array nor, for HASH, floating. `partitions` of
    RANGE rise; of HASH there are `count`, named p0, p1 and so on."""

    kind: PartitionKind
    fields: list[str]
    partitions: list[Partition] = []
    count: int | None = None


class AddPartitions(Operation, frozen=True, tag="add_partitions"):
    """Add partitions to a RANGE or SINGLE_VALUE table. Those of RANGE must lie above all that it has."""

    table: str
    partitions: list[Partition]
    database: str = DEFAULT_DATABASE


class DropPartitions(Operation, frozen=True, tag="drop_partitions"):
    """Remove partitions by name, with all their rows. Of a RANGE table the next one takes new rows in their place. WRONG_STATE while a
    job runs on the table."""

    table: str
    names: list[str]
    database: str = DEFAULT_DATABASE


class PartitionInfo(Result, frozen=True):
    """One partition: its `bound` in storage form (none for HASH), its tablets by number, and its living rows (0 while it is closed)."""

    name: str
    table_name: str | None
    bound: list[Any]
    tablets: list[int]
    rows: int


class PartitioningInfo(Result, frozen=True):
    """How a table is partitioned, its partitions in the order in which rows look for them."""

    kind: PartitionKind
    fields: list[str]
    partitions: list[PartitionInfo]
