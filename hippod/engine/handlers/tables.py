"""Operations on tables."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from hippod.engine.access import Principal
from hippod.engine.catalog import Changes, TableDefinition, tables
from hippod.engine.catalog.settings import settings_of
from hippod.engine.handlers.indexes import index_info
from hippod.engine.handlers.partitions import partitioning_info
from hippod.engine.handlers.scalar_indexes import scalar_index_infos
from hippod.engine.operations import (
    CloseTables,
    CreateTable,
    DescribeTable,
    DescribeTables,
    Done,
    DropTable,
    GetSchema,
    ListTables,
    ListTrash,
    OpenTables,
    PurgeTable,
    RenameTable,
    RestoreTable,
    TableInfo,
    TableInfos,
    TableList,
    TableSchema,
    TrashedTable,
    TrashList,
)
from hippod.engine.operations.tables import TABLETS_MAX
from hippod.engine.patterns import check_patterns, name_matcher
from hippod.errors import LimitExceeded, TableNotFound

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def create_table(engine: Engine, operation: CreateTable, principal: Principal, deadline: float | None) -> Done:
    if not 1 <= operation.tablets <= TABLETS_MAX:
        raise LimitExceeded(f"a table has 1 to {TABLETS_MAX} tablets, not {operation.tablets}", limit=TABLETS_MAX)
    await engine.change_catalog(lambda: tables.create_table(engine.catalog, operation, principal.name), deadline)
    return Done()


async def rename_table(engine: Engine, operation: RenameTable, deadline: float | None) -> Done:
    database, name = operation.database, operation.table
    await engine.change_catalog(lambda: tables.rename_table(engine.catalog, database, name, operation.new_name), deadline)
    engine.jobs.rename_table(database, name, operation.new_name)
    return Done()


async def drop_table(engine: Engine, operation: DropTable, deadline: float | None) -> Done:
    def compute() -> Changes:
        table = engine.catalog.table(operation.database, operation.table)
        if operation.purge:
            return tables.purge_table(engine.catalog, table)
        return tables.drop_table(engine.catalog, table, engine.row_count(table), engine.trash.running_s())

    await engine.change_catalog(compute, deadline)
    return Done()


async def restore_table(engine: Engine, operation: RestoreTable, deadline: float | None) -> Done:
    table = tables.find_in_trash(engine.catalog, operation.database, operation.table)[0]

    def compute() -> Changes:
        now = tables.find_in_trash(engine.catalog, operation.database, table.id)[0]
        return tables.restore_table(engine.catalog, now, operation.new_name)

    compute()  # What cannot be done is refused before the rows are read.
    await engine.resident.bring_back(table, partial(engine.change_catalog, compute, deadline))
    return Done()


async def purge_table(engine: Engine, operation: PurgeTable, deadline: float | None) -> Done:
    def compute() -> Changes:
        found = tables.find_in_trash(engine.catalog, operation.database, operation.table)
        return tuple(change for table in found for change in tables.purge_table(engine.catalog, table))

    await engine.change_catalog(compute, deadline)
    return Done()


def list_trash(engine: Engine, operation: ListTrash, _deadline: float | None) -> TrashList:
    if operation.database is not None:
        engine.catalog.require_database(operation.database)
    now = time.time()
    found = [
        TrashedTable(t.name, t.database, t.id, engine.row_count(t), t.dropped.at, now + engine.trash.remaining_s(t))
        for t in engine.catalog.trash()
        if t.dropped is not None and operation.database in (None, t.database)
    ]
    return TrashList(sorted(found, key=lambda table: (-table.dropped, table.table, table.id)))


async def close_tables(engine: Engine, operation: CloseTables, deadline: float | None) -> Done:
    def compute() -> Changes:
        found = [t for t in _matching(engine, operation.database, operation.pattern) if t.closed is None]
        return tuple(change for table in found for change in tables.close_table(table, engine.row_count(table)))

    await engine.change_catalog(compute, deadline)
    return Done()


async def open_tables(engine: Engine, operation: OpenTables, deadline: float | None) -> Done:
    """One after the other: each is read from the store, and one that fails leaves those before it open."""

    def compute(number: int, name: str) -> Changes:
        now = engine.catalog.by_number.get(number)
        if now is None:
            raise TableNotFound(f"table {name!r} was dropped meanwhile", table=name)
        return tables.open_table(now)

    for table in [t for t in _matching(engine, operation.database, operation.pattern) if t.closed is not None]:
        change = partial(compute, table.number, table.name)
        await engine.resident.bring_back(table, partial(engine.change_catalog, change, deadline))
    return Done()


def describe_table(engine: Engine, operation: DescribeTable, _deadline: float | None) -> TableInfo:
    return _table_info(engine, engine.catalog.resolve(operation.database, operation.table))


def describe_tables(engine: Engine, operation: DescribeTables, _deadline: float | None) -> TableInfos:
    return TableInfos([_table_info(engine, table) for table in _matching(engine, operation.database, operation.pattern)])


def get_schema(engine: Engine, operation: GetSchema, _deadline: float | None) -> TableSchema:
    table = engine.catalog.resolve(operation.database, operation.table, for_write=operation.for_write)
    return TableSchema(table.name, table.database, table.id, table.schema)


def list_tables(engine: Engine, operation: ListTables, _deadline: float | None) -> TableList:
    return TableList([table.name for table in engine.catalog.tables_of(operation.database)])


def _matching(engine: Engine, database: str, pattern: str) -> Iterator[TableDefinition]:
    """The tables that a pattern means. Raises TableNotFound for a name in it that is none."""
    parts = check_patterns(pattern)
    for part in parts:
        if "*" not in part:
            engine.catalog.table(database, part)
    means = name_matcher(parts)
    return (table for table in engine.catalog.tables_of(database) if means(table.name))


def _table_info(engine: Engine, definition: TableDefinition) -> TableInfo:
    return TableInfo(
        table=definition.name,
        database=definition.database,
        id=definition.id,
        schema=definition.schema,
        tablets=definition.tablets,
        rows=engine.row_count(definition),
        indexes=[index_info(engine, definition, index) for index in definition.indexes],
        state="open" if definition.closed is None else "closed",
        created=definition.created,
        aliases=[alias.name for alias in engine.catalog.aliases_of(definition)],
        settings=settings_of(definition),
        owner=definition.owner,
        partitioning=partitioning_info(engine, definition),
        scalar_indexes=scalar_index_infos(engine, definition),
    )
