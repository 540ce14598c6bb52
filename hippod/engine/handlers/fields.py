"""Operations on the fields of a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hippod.engine.catalog import Changes, TableDefinition, fields, put_table
from hippod.engine.operations import AddFields, Done, DropFields, RenameFields
from hippod.engine.table import Table

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def add_fields(engine: Engine, operation: AddFields, deadline: float | None) -> Done:
    def change(table: Table) -> TableDefinition:
        return fields.add_fields(table.definition, operation.fields, has_rows=table.row_count > 0)

    return await _change(engine, operation, change, deadline)


async def drop_fields(engine: Engine, operation: DropFields, deadline: float | None) -> Done:
    return await _change(engine, operation, lambda table: fields.drop_fields(table.definition, operation.fields), deadline)


async def rename_fields(engine: Engine, operation: RenameFields, deadline: float | None) -> Done:
    return await _change(engine, operation, lambda table: fields.rename_fields(table.definition, operation.names), deadline)


async def _change(
    engine: Engine, operation: AddFields | DropFields | RenameFields, change: Callable[[Table], TableDefinition], deadline: float | None
) -> Done:
    """The writer orders it among the writes of rows: each is checked against the fields before it or those after it."""
    engine.catalog.table(operation.database, operation.table)
    table = engine.table(operation.database, operation.table)

    def compute() -> Changes:
        changed = change(engine.current(table))
        table.prepare_schema(changed.schema)
        return (put_table(changed),)

    await engine.change_catalog(compute, deadline)
    return Done()
