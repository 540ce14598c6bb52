"""Requests and results about rows: columnar writes and reads by primary key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column
from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result

WRITE_ROWS_MAX: Final = 100_000
GET_ROWS_MAX: Final = 100_000


class Insert(Operation, frozen=True, tag="insert"):
    """Add rows; a row whose primary key exists, or came earlier in the request, fails by itself."""

    table: str
    columns: Sequence[Column]
    database: str = DEFAULT_DATABASE


class Update(Operation, frozen=True, tag="update"):
    """Change fields of existing rows; fields not sent keep their value. A missing primary key is a row failure."""

    table: str
    columns: Sequence[Column]
    database: str = DEFAULT_DATABASE


class Upsert(Operation, frozen=True, tag="upsert"):
    """Add rows or replace them whole; of equal primary keys in one request the last wins."""

    table: str
    columns: Sequence[Column]
    database: str = DEFAULT_DATABASE


class Delete(Operation, frozen=True, tag="delete"):
    """Remove rows by primary key; a missing key is a row failure."""

    table: str
    keys: Column
    database: str = DEFAULT_DATABASE


class DeleteByQuery(Operation, frozen=True, tag="delete_by_query"):
    """Remove all rows that match `filter`, which must not be empty."""

    table: str
    filter: str
    database: str = DEFAULT_DATABASE


class Get(Operation, frozen=True, tag="get"):
    """Read rows by primary key; `output_fields` None means all fields."""

    is_read = True
    table: str
    keys: Column
    output_fields: list[str] | None = None
    database: str = DEFAULT_DATABASE


class RowFailure(msgspec.Struct, frozen=True):
    """Row `position` (0-based in the request) was not applied: `code` is stable, `message` is for people."""

    position: int
    code: str
    message: str


class WriteResult(Result, frozen=True):
    """`count` rows were applied; all positions but those in `failures`. `keys`: generated primary keys, one a row sent."""

    count: int
    failures: list[RowFailure] = []
    keys: Column | None = None


class GetResult(Result, frozen=True):
    """Found rows in the order asked: row i of `columns` answers key number `positions[i]` (int32)."""

    columns: list[Column]
    positions: npt.NDArray[np.int32]
