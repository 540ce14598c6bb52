"""Tables with other partitions. Each function raises Rejected or a descendant, and changes nothing.

Partitions are kept in the order in which rows look for them: RANGE and SINGLE_VALUE by rising bounds, HASH by number. Each has as many
tablets as the table has shards. A tablet's number never comes back, so rows that a crash left of a dropped one can never be taken for
those of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from hippod.engine.catalog.documents import PartitionDefinition, PartitioningDefinition, TableDefinition
from hippod.engine.expr import parse_moment
from hippod.engine.operations.partitions import (
    PARTITION_FIELDS_MAX,
    PARTITIONED_TABLETS_MAX,
    PARTITIONS_MAX,
    Partition,
    Partitioning,
    PartitionKind,
)
from hippod.engine.schema import ELEMENT_TYPES, DataType, Field, Schema, check_name, default_fits
from hippod.errors import AlreadyExists, LimitExceeded, PartitionNotFound, Rejected

TABLET_NUMBERS_MAX: Final = 65_536
_MOMENTS: Final = frozenset({DataType.DATE, DataType.TIME, DataType.TIMESTAMP, DataType.DATETIME})
_FLOATING: Final = frozenset({DataType.FLOAT, DataType.DOUBLE})


def partitioned(table: TableDefinition, wanted: Partitioning) -> TableDefinition:
    """A table that is being created, with its partitions."""
    fields = _fields(table.schema, wanted)
    if wanted.kind is PartitionKind.HASH:
        if wanted.partitions or wanted.count is None or not 1 <= wanted.count <= PARTITIONS_MAX:
            raise LimitExceeded(f"hash partitions are given by their count, 1 to {PARTITIONS_MAX}, not one by one", limit=PARTITIONS_MAX)
        added = [PartitionDefinition(f"p{number}", None, (), ()) for number in range(wanted.count)]
    elif wanted.count is not None:
        raise Rejected(f"only hash partitions have a count; those of kind {wanted.kind} are given one by one")
    else:
        added = [_checked(fields, partition) for partition in wanted.partitions]
    empty = PartitioningDefinition(wanted.kind, tuple(field.number for field in fields), ())
    return _with(msgspec.structs.replace(table, partitioning=empty), added)


def add_partitions(table: TableDefinition, wanted: Sequence[Partition]) -> TableDefinition:
    """The table with more partitions."""
    partitioning = _partitioning(table)
    if partitioning.kind is PartitionKind.HASH:
        raise Rejected(f"table {table.name!r} is partitioned by hash: the number of its partitions is fixed", table=table.name)
    if not wanted:
        raise Rejected("add_partitions needs one partition or more")
    fields = partitioning.fields_of(table.schema)
    return _with(table, [_checked(fields, partition) for partition in wanted])


def drop_partitions(table: TableDefinition, names: Sequence[str]) -> TableDefinition:
    """The table without some partitions."""
    partitioning = _partitioning(table)
    if partitioning.kind is PartitionKind.HASH:
        raise Rejected(f"table {table.name!r} is partitioned by hash: the number of its partitions is fixed", table=table.name)
    if not names:
        raise Rejected("drop_partitions needs one name or more")
    known = {partition.name for partition in partitioning.partitions}
    for name in names:
        if name not in known:
            raise PartitionNotFound(f"table {table.name!r} has no partition {name[:128]!r}", partition=name[:128])
    left = tuple(partition for partition in partitioning.partitions if partition.name not in names)
    return msgspec.structs.replace(table, partitioning=msgspec.structs.replace(partitioning, partitions=left))


def _partitioning(table: TableDefinition) -> PartitioningDefinition:
    if table.partitioning is None:
        raise Rejected(f"table {table.name!r} is not partitioned", table=table.name)
    return table.partitioning


def _fields(schema: Schema, wanted: Partitioning) -> list[Field]:
    if not 1 <= len(wanted.fields) <= PARTITION_FIELDS_MAX:
        raise LimitExceeded(f"a table is partitioned by 1 to {PARTITION_FIELDS_MAX} fields", limit=PARTITION_FIELDS_MAX)
    fields = [schema.field(name) for name in wanted.fields]
    if len({field.number for field in fields}) != len(fields):
        raise Rejected("a partition field is named twice")
    for field in fields:
        if field.type not in ELEMENT_TYPES:
            raise Rejected(f"a table is not partitioned by field {field.name!r} of type {field.type}", field=field.name)
        if wanted.kind is PartitionKind.HASH and field.type in _FLOATING:
            raise Rejected(f"a table is not partitioned by a hash of the floating field {field.name!r}", field=field.name)
    return fields


def _checked(fields: Sequence[Field], wanted: Partition) -> PartitionDefinition:
    check_name("partition", wanted.name)
    if wanted.table_name is not None:
        check_name("table", wanted.table_name)
    if len(wanted.bound) != len(fields):
        raise Rejected(
            f"partition {wanted.name!r} has a bound of {len(wanted.bound)} values for {len(fields)} fields", partition=wanted.name
        )
    bound = tuple(_cell(wanted.name, field, value) for field, value in zip(fields, wanted.bound, strict=True))
    return PartitionDefinition(wanted.name, wanted.table_name, bound, ())


def _cell(partition: str, field: Field, value: Any) -> Any:
    """A value of a bound in storage form."""
    cell = value
    if field.type in _MOMENTS and isinstance(value, str):
        try:
            cell = parse_moment(field.type, value)
        except (ValueError, OverflowError):
            cell = None
    if cell is None or not default_fits(msgspec.structs.replace(field, default=cell)):
        raise Rejected(f"the bound of partition {partition!r} does not fit field {field.name!r} ({field.type})", field=field.name)
    return float(cell) if field.type in _FLOATING else cell


def _with(table: TableDefinition, added: Iterable[PartitionDefinition]) -> TableDefinition:
    """The table with more partitions, which get their tablets here."""
    partitioning = _partitioning(table)
    partitions, next_tablet = list(partitioning.partitions), table.next_tablet
    for partition in added:
        if any(other.name == partition.name for other in partitions):
            raise AlreadyExists(f"partition {partition.name!r} exists already on table {table.name!r}", partition=partition.name)
        if partitioning.kind is not PartitionKind.HASH:
            _require_free(partitioning.kind, partitions, partition)
        tablets = tuple(range(next_tablet, next_tablet + table.tablets))
        next_tablet += table.tablets
        partitions.append(msgspec.structs.replace(partition, tablets=tablets))
    if len(partitions) > PARTITIONS_MAX:
        raise LimitExceeded(f"a table has at most {PARTITIONS_MAX} partitions", limit=PARTITIONS_MAX)
    if len(partitions) * table.tablets > PARTITIONED_TABLETS_MAX:
        raise LimitExceeded(
            f"{len(partitions)} partitions of {table.tablets} tablets are more than {PARTITIONED_TABLETS_MAX} tablets",
            limit=PARTITIONED_TABLETS_MAX,
        )
    if next_tablet > TABLET_NUMBERS_MAX:
        raise LimitExceeded(f"table {table.name!r} has used up its {TABLET_NUMBERS_MAX} tablet numbers", limit=TABLET_NUMBERS_MAX)
    if partitioning.kind is PartitionKind.SINGLE_VALUE:
        partitions.sort(key=lambda partition: _sort_key(partition.bound))
    kept = msgspec.structs.replace(partitioning, partitions=tuple(partitions))
    return msgspec.structs.replace(table, partitioning=kept, next_tablet=next_tablet)


def _require_free(kind: PartitionKind, partitions: Sequence[PartitionDefinition], added: PartitionDefinition) -> None:
    if kind is PartitionKind.RANGE:
        if partitions and _sort_key(added.bound) <= _sort_key(partitions[-1].bound):
            raise Rejected(
                f"the bound of partition {added.name!r} must be above that of {partitions[-1].name!r}, the last one", partition=added.name
            )
        return
    for other in partitions:
        if other.bound == added.bound:
            raise AlreadyExists(f"partition {other.name!r} has the bound of {added.name!r} already", partition=added.name)


def _sort_key(bound: tuple[Any, ...]) -> tuple[Any, ...]:
    """Strings compare by their UTF-8 bytes, as columns of them do."""
    return tuple(cell.encode() if isinstance(cell, str) else cell for cell in bound)
