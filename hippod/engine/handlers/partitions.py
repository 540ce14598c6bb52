"""Operations on partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.catalog import Changes, TableDefinition, partitions, put_table
from hippod.engine.operations import AddPartitions, Done, DropPartitions, PartitionInfo, PartitioningInfo
from hippod.engine.table import Table
from hippod.errors import WrongState

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def add_partitions(engine: Engine, operation: AddPartitions, deadline: float | None) -> Done:
    table = _table(engine, operation)

    def compute() -> Changes:
        return (put_table(partitions.add_partitions(engine.current(table).definition, operation.partitions)),)

    await engine.change_catalog(compute, deadline)
    return Done()


async def drop_partitions(engine: Engine, operation: DropPartitions, deadline: float | None) -> Done:
    table = _table(engine, operation)
    job = engine.jobs.running_on(table.definition.database, table.definition.name)
    if job is not None:
        raise WrongState(f"job {job.id} ({job.action}) runs on table {operation.table!r}: wait for it or cancel it", job=job.id)

    def compute() -> Changes:
        before = engine.current(table).definition
        after = partitions.drop_partitions(before, operation.names)
        table.prepare_drop(frozenset(before.tablet_numbers) - frozenset(after.tablet_numbers))
        return (put_table(after),)

    await engine.change_catalog(compute, deadline)
    return Done()


def _table(engine: Engine, operation: AddPartitions | DropPartitions) -> Table:
    engine.catalog.table(operation.database, operation.table)
    return engine.table(operation.database, operation.table)


def partitioning_info(engine: Engine, definition: TableDefinition) -> PartitioningInfo | None:
    """How a table is partitioned, open or not."""
    partitioning = definition.partitioning
    if partitioning is None:
        return None
    table = engine.tables.get(definition.number)
    tablets = {} if table is None else table.tablets
    infos = [
        PartitionInfo(
            name=partition.name,
            table_name=partition.table_name,
            bound=list(partition.bound),
            tablets=list(partition.tablets),
            rows=sum(tablets[number].columns.live_count for number in partition.tablets if number in tablets),
        )
        for partition in partitioning.partitions
    ]
    return PartitioningInfo(partitioning.kind, [field.name for field in partitioning.fields_of(definition.schema)], infos)
