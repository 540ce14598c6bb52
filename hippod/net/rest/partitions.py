"""Routes of partitions of a table that exists."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations import AddPartitions, DescribeTable, DropPartitions, TableInfo
from hippod.net.rest.body import Body, DatabaseQuery
from hippod.net.rest.envelope import Acknowledged
from hippod.net.rest.partitioning import PartitionBody, to_partition
from hippod.net.rest.routes import Call, Route


class AddPartitionsBody(Body, frozen=True):
    partitions: list[PartitionBody]


class DropPartitionsBody(Body, frozen=True):
    partition_names: list[str]


async def add_partitions(call: Call[DatabaseQuery, AddPartitionsBody]) -> Acknowledged:
    table, database = call.path["table"], call.query.database_name
    info: TableInfo = await call.execute(DescribeTable(table, database))
    columns = [] if info.partitioning is None else info.partitioning.fields
    added = [to_partition(body, columns or [bound.field for bound in body.bound]) for body in call.body.partitions]
    await call.execute(AddPartitions(table, added, database))
    return Acknowledged()


async def drop_partitions(call: Call[DatabaseQuery, DropPartitionsBody]) -> Acknowledged:
    await call.execute(DropPartitions(call.path["table"], call.body.partition_names, call.query.database_name))
    return Acknowledged()


ROUTES: Final = (
    Route("PUT", "/{table}/_partitions", add_partitions, "Add partitions to a table"),
    Route("DELETE", "/{table}/_partitions", drop_partitions, "Drop partitions with all their rows"),
)
