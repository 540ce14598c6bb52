"""The rows of a query in the order of their primary keys, page by page. Nothing is kept between two pages."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hippod.engine.addresses import addresses_in, gather
from hippod.engine.arrays import StringArray, Values, concat_values, take_values
from hippod.engine.cursors import QueryCursor, decode_cursor, encode_cursor
from hippod.engine.operations import QueryResult
from hippod.engine.schema import Field
from hippod.engine.table import Table
from hippod.engine.tablet import Tablet
from hippod.errors import Rejected

Slots = npt.NDArray[np.int64]


def cursor_of(table: Table, after: str | None) -> QueryCursor | None:
    """Where a page goes on. Raises Rejected for what is not of an earlier page of a query of this table."""
    if after is None:
        return None
    cursor = decode_cursor(after, QueryCursor, table.number)
    if isinstance(cursor.key, str) is not table.schema.primary_key.type.is_string:
        raise Rejected("after is what `next` of the page before said", parameter="after")
    return cursor


def no_rows(tablets: Mapping[int, Tablet], fields: Sequence[Field]) -> QueryResult:
    return QueryResult(gather(tablets, fields, np.empty(0, np.int64)), 0)


def page_of(
    table: int,
    tablets: Mapping[int, Tablet],
    fields: Sequence[Field],
    found: Sequence[tuple[Tablet, Slots]],
    cursor: QueryCursor | None,
    offset: int,
    limit: int,
) -> QueryResult:
    """The rows behind the cursor, from `offset` on; runs in the search pool."""
    if not found:
        return no_rows(tablets, fields)
    addresses = np.concatenate([addresses_in(tablet.number, slots) for tablet, slots in found])
    keys = concat_values([take_values(tablet.key_values(), slots) for tablet, slots in found])
    if cursor is not None:
        behind = _behind(keys, cursor.key)
        addresses, keys = addresses[behind], take_values(keys, behind)
    order = _key_order(keys, min(offset + limit, len(addresses)))[offset:]
    after = None
    if len(order) and len(addresses) > offset + limit:
        after = encode_cursor(QueryCursor(table, key_at(keys, order[-1])))
    return QueryResult(gather(tablets, fields, addresses[order]), len(order), after)


def key_at(keys: Values, row: np.intp) -> int | str:
    """One primary key."""
    if isinstance(keys, StringArray):
        return keys.bytes_at(int(row)).decode()
    assert isinstance(keys, np.ndarray)
    return int(keys[row])


def _behind(keys: Values, last: int | str) -> npt.NDArray[np.intp]:
    """Positions of the keys that come after `last`."""
    if isinstance(keys, StringArray):
        encoded = str(last).encode()
        return np.array([row for row, key in enumerate(keys.to_bytes_list()) if key > encoded], np.intp)
    assert isinstance(keys, np.ndarray)
    assert isinstance(last, int)
    return np.flatnonzero(keys.astype(np.int64, copy=False) > last)


def _key_order(keys: Values, count: int) -> npt.NDArray[np.intp]:
    """Positions of the `count` smallest keys, ascending."""
    if isinstance(keys, StringArray):
        cells = keys.to_bytes_list()
        return np.array(heapq.nsmallest(count, range(len(cells)), key=cells.__getitem__), np.intp)
    assert isinstance(keys, np.ndarray)
    if count < len(keys):
        first = np.argpartition(keys, count)[:count]
        return first[np.argsort(keys[first])]
    return np.argsort(keys)
