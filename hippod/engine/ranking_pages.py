"""A whole ranking page by page: first what the index finds, then exactly all that is left. Nothing is kept between two pages.

An index finds what is near, not all of it, and cannot go on where it stopped. So the first page alone is its; the cursor then carries the
row_ids that were given. From the second page on rows are ranked by their exact score and, where that is equal, by primary key; the
cursor carries the last of these. Row_ids rise: what is written later has higher ones than the cursor says, and is left out, so that a row
that is replaced never comes a second time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.addresses import addresses_in, gather, gather_cells, split_by_tablet
from hippod.engine.arrays import StringArray
from hippod.engine.columns import ColumnsView
from hippod.engine.cursors import RankingCursor, decode_cursor, encode_cursor
from hippod.engine.explain import Trace
from hippod.engine.expr import Filter
from hippod.engine.index.exact import ExactSearch
from hippod.engine.index.pool import SearchPool
from hippod.engine.one_moment import Found, of_one_moment
from hippod.engine.operations import Search, SearchPage, SearchPageResult
from hippod.engine.query_pages import key_at
from hippod.engine.search import Question, merged, of_current_tablets, ranking
from hippod.engine.table import Table
from hippod.engine.tablet import Tablet
from hippod.errors import LimitExceeded, Rejected

_ROW_ID_MAX: Final = 2**63 - 1

Mask = npt.NDArray[np.bool_]
Addresses = npt.NDArray[np.int64]
# What sorts by rising: distances, and similarities with the sign changed.
Orders = npt.NDArray[np.float32]


async def search_page(table: Table, operation: SearchPage, pool: SearchPool) -> SearchPageResult:
    """Answer one page. Raises Rejected and its descendants before anything is done."""
    if len(operation.vectors) != 1:
        raise LimitExceeded(f"pages are of one query, not {len(operation.vectors)}", limit=1)
    single = Search(
        table=operation.table,
        vectors=operation.vectors,
        k=operation.k,
        field=operation.field,
        filter=operation.filter.strip(),
        output_fields=operation.output_fields,
        index=operation.index,
        params=operation.params,
        radius=operation.radius,
    )
    question = Question(table, single, pool)
    if operation.after is None:
        return await of_current_tablets(table, lambda: _first_page(question, single.filter))
    cursor = decode_cursor(operation.after, RankingCursor, table.number)
    _check(cursor, question)
    return await of_current_tablets(table, lambda: _later_page(question, single.filter, cursor))


def _check(cursor: RankingCursor, question: Question) -> None:
    """Raise Rejected for a cursor that was not made by an earlier page of this list."""
    if cursor.index != question.definition.number:
        raise Rejected("after is of a page that another index ranked: name the `index`", parameter="after")
    key = str if question.table.schema.primary_key.type.is_string else int
    is_last = cursor.score is None or (not math.isnan(cursor.score) and isinstance(cursor.key, key))
    counts = (cursor.seen, *cursor.newest.values())
    if not is_last or not all(0 <= count <= _ROW_ID_MAX for count in counts) or any(len(ids) % 8 for ids in cursor.given.values()):
        raise Rejected("after is what `next` of the page before said", parameter="after")


async def _first_page(question: Question, text: str) -> SearchPageResult:
    # Before the search: a row that is replaced meanwhile must not be behind this page, having been on it.
    newest = {number: tablet.next_row_id for number, tablet in question.table.tablets.items()}
    (found,) = await of_one_moment(question.table, [ranking(question, text, question.k, Trace())], question.pool)
    return await question.pool.run(_found_page, question, found, question.table.tablets, newest)


def _found_page(question: Question, found: Found, tablets: Mapping[int, Tablet], newest: dict[int, int]) -> SearchPageResult:
    """The page of what an index found; runs in the search pool."""
    addresses, scores = np.empty(0, np.int64), np.empty(0, np.float32)
    if found.parts:
        best = question.window.within(merged(question, found.parts, found.hits, question.k))
        count = int(best.counts[0])
        addresses, scores = best.slots[0, :count], best.scores[0, :count]
    after = None
    # Fewer are found only where there are no more; within a radius the index may have missed some.
    if len(addresses) == question.k or question.window.radius is not None:
        split = split_by_tablet(tablets, addresses)
        given = {tablet.number: tablet.columns.row_ids[slots].astype(np.int64).tobytes() for tablet, _, slots in split}
        after = encode_cursor(RankingCursor(question.table.number, question.definition.number, newest, given, 0, None, None))
    return SearchPageResult(scores, gather(tablets, question.fields, addresses), question.key, after)


class _Left(NamedTuple):
    """The first rows of one tablet, of which those that are `alive` and match the filter can still be given."""

    tablet: Tablet
    alive: Mask
    columns: ColumnsView
    exact: ExactSearch


async def _later_page(question: Question, text: str, cursor: RankingCursor) -> SearchPageResult:
    table = question.table
    tablets = table.possible_tablets(text) if text else list(table.tablets.values())
    left = [_left(question, tablet, cursor) for tablet in tablets if tablet.number in cursor.newest]
    condition = table.filter(text) if text else None
    return await question.pool.run(_ranked_page, question, table.tablets, left, condition, cursor)


def _left(question: Question, tablet: Tablet, cursor: RankingCursor) -> _Left:
    row_ids = tablet.columns.row_ids
    count = int(np.searchsorted(row_ids, cursor.newest[tablet.number]))
    alive = tablet.columns.alive[:count].copy()
    ids = np.frombuffer(cursor.given.get(tablet.number, b""), np.int64)
    # Rows that died before the server started are nowhere any more: the place where they would be is that of another row.
    places = np.searchsorted(row_ids, ids)
    places = places[places < count]
    alive[places[np.isin(row_ids[places], ids)]] = False
    return _Left(tablet, alive, tablet.columns.view(), tablet.index(question.index).exact)


class _Ranked:
    """What is left of one tablet, ranked as deep as it is asked for; in the search pool."""

    def __init__(self, question: Question, left: _Left, condition: Filter | None) -> None:
        self._question = question
        self._left = left
        self._slots = None if condition is None else condition.select(left.columns, left.alive, {}).slots
        self.count = int(np.count_nonzero(left.alive)) if self._slots is None else len(self._slots)

    def best(self, depth: int) -> tuple[Addresses, Orders]:
        """The `depth` best rows, or all there are."""
        left, question = self._left, self._question
        if not self.count:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        alive = left.alive if self._slots is None else None
        hits = left.exact.search(len(left.alive), question.vectors, min(depth, self.count), self._slots, alive)
        found = int(hits.counts[0])
        scores = hits.scores[0, :found]
        return addresses_in(left.tablet.number, hits.slots[0, :found]), -scores if question.descending else scores


def _ranked_page(
    question: Question, tablets: Mapping[int, Tablet], left: Sequence[_Left], condition: Filter | None, cursor: RankingCursor
) -> SearchPageResult:
    """The rows behind the cursor, best first; runs in the search pool."""
    ranked = [_Ranked(question, one, condition) for one in left]
    pages = _Behind(question, tablets, cursor)
    depth = cursor.seen + question.k + 1
    while True:
        found = [one.best(depth) for one in ranked]
        addresses = np.concatenate([np.empty(0, np.int64), *(part for part, _ in found)])
        orders = np.concatenate([np.empty(0, np.float32), *(part for _, part in found)])
        # A ranking may have been cut among rows of one score: only what is better than its last row is sure to be complete.
        ends = [float(part[-1]) for one, (_, part) in zip(ranked, found, strict=True) if len(part) < one.count]
        bound = min(ends, default=math.inf)
        sure = orders < bound if ends else np.ones(len(orders), np.bool_)
        rows, more = pages.best(addresses[sure], orders[sure])
        is_end = bound > pages.order_max or not ends
        if len(rows.addresses) == question.k or is_end:
            break
        depth *= 4
    after = None
    if more or not is_end:
        key = key_at(gather_cells(tablets, question.table.schema.primary_key, rows.addresses[-1:]).values, np.intp(0))
        after = encode_cursor(
            msgspec.structs.replace(cursor, seen=cursor.seen + len(rows.addresses), score=float(rows.scores[-1]), key=key)
        )
    return SearchPageResult(rows.scores, gather(tablets, question.fields, rows.addresses), question.key, after)


class _Rows(NamedTuple):
    """Rows of a page, best first."""

    addresses: Addresses
    scores: Orders


class _Behind:
    """What the rows of a page must be: behind the cursor, and within the radius. `order_max`: the order of the worst score that is."""

    def __init__(self, question: Question, tablets: Mapping[int, Tablet], cursor: RankingCursor) -> None:
        self._question = question
        self._tablets = tablets
        self._cursor = cursor
        sign = -1 if question.descending else 1
        radius = question.window.radius
        self.order_max = math.inf if radius is None else sign * float(np.float32(radius))
        self._order = -math.inf if cursor.score is None else sign * cursor.score

    def best(self, addresses: Addresses, orders: Orders) -> tuple[_Rows, bool]:
        """The k best, and whether there are more; of equal orders the lowest keys come first."""
        k, order = self._question.k, np.float32(self._order)
        behind = (orders > order) & (orders <= np.float32(self.order_max))
        if self._cursor.score is not None:
            level = np.flatnonzero((orders == order) & (orders <= np.float32(self.order_max)))
            behind[level[self._has_greater_key(addresses[level])]] = True
        at = np.flatnonzero(behind)
        if more := len(at) > k:
            at = at[orders[at] <= np.partition(orders[at], k - 1)[k - 1]]
        at = at[self._sorted(addresses[at], orders[at])[:k]]
        return _Rows(addresses[at], -orders[at] if self._question.descending else orders[at]), more

    def _keys(self, addresses: Addresses) -> Any:
        """The primary keys of rows, as an array or as a list of bytes."""
        values = gather_cells(self._tablets, self._question.table.schema.primary_key, addresses).values
        return values.to_bytes_list() if isinstance(values, StringArray) else values

    def _has_greater_key(self, addresses: Addresses) -> Mask:
        keys, last = self._keys(addresses), self._cursor.key
        if isinstance(last, str):
            encoded = last.encode()
            return np.fromiter((key > encoded for key in keys), np.bool_, len(keys))
        return np.asarray(keys > last)

    def _sorted(self, addresses: Addresses, orders: Orders) -> npt.NDArray[np.intp]:
        keys = self._keys(addresses)
        if isinstance(keys, list):
            return np.array(sorted(range(len(keys)), key=lambda row: (orders[row], keys[row])), np.intp)
        return np.lexsort((keys, orders))
