"""Operations on scalar indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.catalog import TableDefinition, scalar_indexes
from hippod.engine.operations import CreateScalarIndex, Done, DropScalarIndex, ListScalarIndexes, ScalarIndexInfo, ScalarIndexList

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def create_scalar_index(engine: Engine, operation: CreateScalarIndex, deadline: float | None) -> Done:
    table = engine.table(operation.database, operation.table)
    await engine.change_catalog(
        lambda: scalar_indexes.create_scalar_index(engine.current(table).definition, operation.index, operation.fields), deadline
    )
    return Done()


async def drop_scalar_index(engine: Engine, operation: DropScalarIndex, deadline: float | None) -> Done:
    table = engine.table(operation.database, operation.table)
    await engine.change_catalog(lambda: scalar_indexes.drop_scalar_index(engine.current(table).definition, operation.index), deadline)
    return Done()


def list_scalar_indexes(engine: Engine, operation: ListScalarIndexes, _deadline: float | None) -> ScalarIndexList:
    return ScalarIndexList(scalar_index_infos(engine, engine.catalog.resolve(operation.database, operation.table)))


def scalar_index_infos(engine: Engine, definition: TableDefinition) -> list[ScalarIndexInfo]:
    """Of an open table, or of a closed one, which holds nothing in memory."""
    table = engine.tables.get(definition.number)
    tablets = () if table is None else table.tablets.values()
    names = {field.number: field.name for field in definition.schema.fields}
    infos = []
    for index in definition.scalar_indexes:
        held = [tablet.scalar_indexes[number].memory_bytes for tablet in tablets for number in index.fields]
        infos.append(ScalarIndexInfo(index.name, [names[number] for number in index.fields], sum(held)))
    return infos
