"""Routes of aliases."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations import DEFAULT_DATABASE, AddAlias, ChangeAliases, DropAlias, RemoveAlias
from hippod.errors import BadRequest
from hippod.net.rest.body import Body, DatabaseQuery, NoBody, Query
from hippod.net.rest.envelope import Acknowledged
from hippod.net.rest.routes import Call, Route


class AliasActionBody(Body, frozen=True):
    """`type` is Add or Remove; `is_write_table` only of Add."""

    type: str
    alias_name: str
    table_name: str
    database_name: str | None = None
    is_write_table: bool | None = None


class AliasesBody(Body, frozen=True):
    """Carried out in order, as one change."""

    actions: list[AliasActionBody]


def _action(body: AliasActionBody) -> AddAlias | RemoveAlias:
    database = body.database_name or DEFAULT_DATABASE
    match body.type.lower():
        case "add":
            return AddAlias(body.alias_name, body.table_name, body.is_write_table, database)
        case "remove":
            return RemoveAlias(body.alias_name, body.table_name, database)
        case _:
            raise BadRequest(f"the type of an action is Add or Remove, not {body.type[:40]!r}", field="type")


async def change_aliases(call: Call[Query, AliasesBody]) -> Acknowledged:
    await call.execute(ChangeAliases([_action(action) for action in call.body.actions]))
    return Acknowledged()


async def drop_alias(call: Call[DatabaseQuery, NoBody]) -> Acknowledged:
    await call.execute(DropAlias(call.path["alias"], call.query.database_name))
    return Acknowledged()


ROUTES: Final = (
    Route("POST", "/_aliases", change_aliases, "Let aliases lead to tables, or not any more"),
    Route("DELETE", "/_aliases/{alias}", drop_alias, "Drop an alias; its tables stay"),
)
