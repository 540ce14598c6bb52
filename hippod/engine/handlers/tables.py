"""Operations on tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.catalog import tables
from hippod.engine.handlers.indexes import index_info
from hippod.engine.operations import CreateTable, DescribeTable, Done, DropTable, ListTables, TableInfo, TableList
from hippod.engine.operations.tables import TABLETS_MAX
from hippod.errors import LimitExceeded

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def create_table(engine: Engine, operation: CreateTable, deadline: float | None) -> Done:
    if not 1 <= operation.tablets <= TABLETS_MAX:
        raise LimitExceeded(f"a table has 1 to {TABLETS_MAX} tablets, not {operation.tablets}", limit=TABLETS_MAX)
    await engine.change_catalog(
        lambda: tables.create_table(engine.catalog, operation.database, operation.table, operation.schema, operation.tablets), deadline
    )
    return Done()


async def drop_table(engine: Engine, operation: DropTable, deadline: float | None) -> Done:
    await engine.change_catalog(lambda: tables.drop_table(engine.catalog, operation.database, operation.table), deadline)
    return Done()


def describe_table(engine: Engine, operation: DescribeTable, _deadline: float | None) -> TableInfo:
    table = engine.table(operation.database, operation.table)
    definition = table.definition
    return TableInfo(
        table=definition.name,
        database=definition.database,
        id=definition.id,
        schema=definition.schema,
        tablets=definition.tablets,
        rows=table.row_count,
        indexes=[index_info(table, index) for index in definition.indexes],
    )


def list_tables(engine: Engine, operation: ListTables, _deadline: float | None) -> TableList:
    return TableList([table.name for table in engine.catalog.tables_of(operation.database)])
