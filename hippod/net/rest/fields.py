"""Routes that add, drop and rename the columns of a table."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations import AddFields, DropFields, RenameFields
from hippod.errors import BadRequest
from hippod.net.rest.body import Body, DatabaseQuery
from hippod.net.rest.envelope import Acknowledged
from hippod.net.rest.routes import Call, Route
from hippod.net.rest.schemas import FieldBody, to_field

_PAIRS: Final = ({"old_name", "new_name"}, {"field_name", "new_field_name"})


class AddColumnsBody(Body, frozen=True):
    fields: list[FieldBody]


class DropColumnsBody(Body, frozen=True):
    fields: list[str]


class RenameColumnsBody(Body, frozen=True):
    """Each element is `{"old": "new"}`, with one pair or more, or `{"old_name": "old", "new_name": "new"}`, or the same with the keys
    `field_name` and `new_field_name`."""

    fields_renaming: list[dict[str, str]]


async def add_columns(call: Call[DatabaseQuery, AddColumnsBody]) -> Acknowledged:
    await call.execute(AddFields(call.path["table"], [to_field(field) for field in call.body.fields], call.query.database_name))
    return Acknowledged()


async def drop_columns(call: Call[DatabaseQuery, DropColumnsBody]) -> Acknowledged:
    await call.execute(DropFields(call.path["table"], call.body.fields, call.query.database_name))
    return Acknowledged()


async def rename_columns(call: Call[DatabaseQuery, RenameColumnsBody]) -> Acknowledged:
    names: dict[str, str] = {}
    for element in call.body.fields_renaming:
        for old, new in _renaming(element).items():
            if old in names:
                raise BadRequest(f"column {old[:128]!r} is renamed twice", field=old[:128])
            names[old] = new
    await call.execute(RenameFields(call.path["table"], names, call.query.database_name))
    return Acknowledged()


def _renaming(element: dict[str, str]) -> dict[str, str]:
    if element.keys() in _PAIRS:
        old, new = sorted(element, key=lambda key: key.startswith("new_"))
        return {element[old]: element[new]}
    return element


ROUTES: Final = (
    Route("POST", "/{table}/_add_columns", add_columns, "Add columns to a table"),
    Route("POST", "/{table}/_drop_columns", drop_columns, "Drop columns of a table"),
    Route("POST", "/{table}/_rename_columns", rename_columns, "Rename columns of a table"),
)
