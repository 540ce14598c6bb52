"""Routes of scalar indexes."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations import CreateScalarIndex, DropScalarIndex
from hippod.net.rest.body import Body, DatabaseQuery
from hippod.net.rest.envelope import Acknowledged
from hippod.net.rest.routes import Call, Route


class CreateBody(Body, frozen=True):
    index_name: str
    field_names: list[str]


class DropBody(Body, frozen=True):
    index_name: str


async def create_scalar_index(call: Call[DatabaseQuery, CreateBody]) -> Acknowledged:
    await call.execute(CreateScalarIndex(call.path["table"], call.body.index_name, call.body.field_names, call.query.database_name))
    return Acknowledged()


async def drop_scalar_index(call: Call[DatabaseQuery, DropBody]) -> Acknowledged:
    await call.execute(DropScalarIndex(call.path["table"], call.body.index_name, call.query.database_name))
    return Acknowledged()


ROUTES: Final = (
    Route("PUT", "/{table}/_create_scalar_index", create_scalar_index, "Index columns for filters"),
    Route("DELETE", "/{table}/_drop_scalar_index", drop_scalar_index, "Drop a scalar index"),
)
