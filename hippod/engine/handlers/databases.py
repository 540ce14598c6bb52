"""Operations on databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.access import Principal
from hippod.engine.catalog import databases
from hippod.engine.operations import CreateDatabase, DatabaseList, Done, DropDatabase, ListDatabases

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def create_database(engine: Engine, operation: CreateDatabase, principal: Principal, deadline: float | None) -> Done:
    await engine.change_catalog(lambda: databases.create_database(engine.catalog, operation.database, principal.name), deadline)
    return Done()


async def drop_database(engine: Engine, operation: DropDatabase, deadline: float | None) -> Done:
    await engine.change_catalog(lambda: databases.drop_database(engine.catalog, operation.database), deadline)
    return Done()


def list_databases(engine: Engine, _operation: ListDatabases, _deadline: float | None) -> DatabaseList:
    return DatabaseList(sorted(engine.catalog.databases))
