"""Where a list that comes in pages goes on: a text that holds all there is to know, so that nothing is kept between two pages."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

import msgspec

from hippod.errors import Rejected


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`table` is the number of the table that it is of."""

    table: int


class QueryCursor(Cursor, frozen=True, tag=1):
    """The rows behind a primary key."""

    key: int | str


class RankingCursor(Cursor, frozen=True, tag=2):
    """The rows of a ranking that are behind a score and, where scores are equal, a primary key; all, if `score` is None.

    `index`: the number of the index whose metric ranks. `newest`: by tablet, the row_id that the first row had that came after the first
    page. `given`: by tablet, the row_ids (int64) of the first page. `seen`: how many rows were given since.
    """

    index: int
    newest: dict[int, int]
    given: dict[int, bytes]
    seen: int
    score: float | None
    key: int | str | None


C = TypeVar("C", bound=Cursor)


def encode_cursor(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode()


def decode_cursor(text: str, kind: type[C], table: int) -> C:
    """Raises Rejected for what `encode_cursor` did not make, or made for another kind of list or another table."""
    try:
        cursor = msgspec.msgpack.decode(base64.b64decode(text, altchars=b"-_", validate=True), type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise Rejected("after is what `next` of the page before said, and of the same kind of list", parameter="after") from None
    if cursor.table != table:
        raise Rejected("after is of a page of another table", parameter="after")
    return cursor
