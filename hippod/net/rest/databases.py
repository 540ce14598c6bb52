"""Routes of databases."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations import CreateDatabase, DatabaseList, DropDatabase, ListDatabases
from hippod.net.rest.body import Body, NoBody, Query
from hippod.net.rest.envelope import Acknowledged, Answer
from hippod.net.rest.routes import Call, Route


class DatabaseBody(Body, frozen=True):
    database_name: str


class DatabasesAnswer(Answer, frozen=True):
    databases: list[str]


async def create_database(call: Call[Query, DatabaseBody]) -> Acknowledged:
    await call.execute(CreateDatabase(call.body.database_name))
    return Acknowledged()


async def drop_database(call: Call[Query, DatabaseBody]) -> Acknowledged:
    await call.execute(DropDatabase(call.body.database_name))
    return Acknowledged()


async def list_databases(call: Call[Query, NoBody]) -> DatabasesAnswer:
    return DatabasesAnswer(await _names(call))


async def check_database(call: Call[Query, DatabaseBody]) -> Acknowledged:
    return Acknowledged(call.body.database_name in await _names(call))


async def _names(call: Call[Query, NoBody] | Call[Query, DatabaseBody]) -> list[str]:
    found: DatabaseList = await call.execute(ListDatabases())
    return found.databases


ROUTES: Final = (
    Route("PUT", "/_database", create_database, "Create a database"),
    Route("GET", "/_database", list_databases, "List the databases"),
    Route("DELETE", "/_database", drop_database, "Drop an empty database"),
    Route("GET", "/_check_db_existence", check_database, "Tell whether a database exists"),
)
