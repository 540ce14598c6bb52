"""How the creation of a table says its partitions, in Hippo's forms."""

from __future__ import annotations

from typing import Any

from hippod.engine.operations import Partition, Partitioning, PartitionKind
from hippod.errors import BadRequest, Rejected
from hippod.net.rest.body import Body


class BoundValue(Body, frozen=True):
    """The value of one partition column; of a range it is the upper end, exclusive."""

    field: str
    value: Any


class PartitionBody(Body, frozen=True):
    """One partition; `bound` has a value for each partition column."""

    name: str
    bound: list[BoundValue]
    table_name: str | None = None


class PartitionsBody(Body, frozen=True):
    """Partitions by `range` or `single_value` (`type`) of the values in `columns`."""

    type: str
    columns: list[str]
    partitions: list[PartitionBody] | None = None


class HashBody(Body, frozen=True):
    """Partitions by a hash of `columns`, as many as either number says."""

    columns: list[str]
    number_of_partitions: int | None = None
    num_buckets: int | None = None


class HashPartitions(Body, frozen=True):
    """The form in which the Python client sends its `partition_schema`."""

    hash_partitions: HashBody


def to_partition(body: PartitionBody, columns: list[str]) -> Partition:
    """The bound in the order of the partition columns. Raises Rejected when it is not of exactly these."""
    values = {bound.field: bound.value for bound in body.bound}
    if len(body.bound) != len(columns) or set(values) != set(columns):
        raise Rejected(f"partition {body.name[:128]!r} needs one bound for each of {', '.join(columns)}", partition=body.name[:128])
    return Partition(body.name, [values[column] for column in columns], body.table_name)


def to_partitioning(listed: PartitionsBody | None, hashed: HashPartitions | None) -> Partitioning | None:
    """What the engine takes; None without partitions."""
    if listed is not None and hashed is not None:
        raise BadRequest("a table has partition_schema or primary_partition_schema, not both")
    if hashed is not None:
        body = hashed.hash_partitions
        count = body.number_of_partitions if body.number_of_partitions is not None else body.num_buckets
        return Partitioning(PartitionKind.HASH, body.columns, count=count)
    if listed is None:
        return None
    kind = listed.type.lower()
    if kind not in (PartitionKind.RANGE, PartitionKind.SINGLE_VALUE):
        raise BadRequest(f"partition_schema.type is range or single_value, not {listed.type[:40]!r}", field="type")
    return Partitioning(PartitionKind(kind), listed.columns, [to_partition(body, listed.columns) for body in listed.partitions or ()])
