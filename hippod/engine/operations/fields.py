"""Requests about the fields of a table that exists."""

from __future__ import annotations

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation
from hippod.engine.schema import Field


class AddFields(Operation, frozen=True, tag="add_fields"):
    """Add scalar fields behind those that the table has. Rows that exist get the default of a field, or null; one with neither is
    refused unless the table has no rows. Vectors and a primary key cannot be added."""

    table: str
    fields: list[Field]
    database: str = DEFAULT_DATABASE


class DropFields(Operation, frozen=True, tag="drop_fields"):
    """Remove fields with all their cells, by name; refused for the primary key, and for fields with an index or that partition the
    table."""

    table: str
    fields: list[str]
    database: str = DEFAULT_DATABASE


class RenameFields(Operation, frozen=True, tag="rename_fields"):
    """Give fields new names, all at once: two may change places. Their cells and indexes stay."""

    table: str
    names: dict[str, str]
    database: str = DEFAULT_DATABASE
