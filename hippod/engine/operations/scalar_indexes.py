"""Requests and results about scalar indexes: sorted cells that make filters look at fewer rows."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result

SCALAR_INDEXES_MAX: Final = 64
SCALAR_INDEX_FIELDS_MAX: Final = 16


class CreateScalarIndex(Operation, frozen=True, tag="create_scalar_index"):
    """Index 1 to SCALAR_INDEX_FIELDS_MAX scalar or array fields, each by its own values. Filters use it from then on; their answers are
    the same. It is kept up to date by itself, and sorted anew at a start when a filter first needs it."""

    table: str
    index: str
    fields: list[str]
    database: str = DEFAULT_DATABASE


class DropScalarIndex(Operation, frozen=True, tag="drop_scalar_index"):
    """Remove a scalar index; the rows stay."""

    table: str
    index: str
    database: str = DEFAULT_DATABASE


class ListScalarIndexes(Operation, frozen=True, tag="list_scalar_indexes"):
    """The scalar indexes of a table."""

    is_read = True
    table: str
    database: str = DEFAULT_DATABASE


class ScalarIndexInfo(Result, frozen=True):
    """`memory_bytes`: what is held for its fields now, shared with other indexes on them; 0 before a filter needed it."""

    index: str
    fields: list[str]
    memory_bytes: int


class ScalarIndexList(Result, frozen=True):
    """In the order in which they were created."""

    indexes: list[ScalarIndexInfo]
