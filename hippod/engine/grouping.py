"""Search for the nearest groups: rows with an equal cell in one field count as one, and each group brings its best rows.

The ranking is fetched deeper and deeper until the best groups are full. Where that does not come to an end (few groups, of which one is
all that is near), all rows are scored, block by block: first for the best groups, then for the rows of these. So no group is missed
that the index, or an exact search, would find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.addresses import addresses_in, gather, gather_cells
from hippod.engine.arrays import concat_values
from hippod.engine.explain import Trace
from hippod.engine.group_ranking import Codes, Ranking, best_groups, codes_of, group_by_group, settled
from hippod.engine.index.exact import Hits
from hippod.engine.index.pool import SearchPool
from hippod.engine.one_moment import of_one_moment
from hippod.engine.operations import Search, SearchResult
from hippod.engine.operations.queries import HITS_MAX, K_MAX
from hippod.engine.rowblock import ColumnData
from hippod.engine.schema import Field
from hippod.engine.search import Question, merged, profiled, ranking
from hippod.engine.table import Table
from hippod.engine.tablet import Tablet

_FETCH_FIRST: Final = 64
_FETCH_GROWTH: Final = 8
_QUERIES_AT_ONCE: Final = 16
_ROWS_AT_ONCE: Final = 4_096

Slots = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class _Rows(NamedTuple):
    """Rows of one tablet that may be in the answer, and their codes."""

    tablet: Tablet
    slots: Slots
    codes: Codes


async def search_groups(table: Table, operation: Search, pool: SearchPool) -> SearchResult:
    """Answer a search with `group_by`. Raises Rejected and its descendants before anything is done."""
    question = Question(table, operation, pool)
    assert question.grouping is not None
    search = _GroupedSearch(question, operation, question.grouping)
    return await profiled(question, operation, search.answer)


class _GroupedSearch:
    """`groups` are those of the answer and those before its offset; `size` is the most rows of each."""

    def __init__(self, question: Question, operation: Search, field: Field) -> None:
        self._question = question
        self._field = field
        self._filter = operation.filter
        self._offset = operation.offset
        self._groups = operation.offset + operation.k
        self._size = operation.group_size
        self._queries = len(question.vectors)

    async def answer(self, trace: Trace) -> SearchResult:
        question, pool = self._question, self._question.pool
        fetch_max = min(K_MAX, HITS_MAX // self._queries)
        fetch = min(fetch_max, max(_FETCH_FIRST, 2 * question.k))
        candidates: list[tuple[Tablet, Slots]] | None = None
        while True:
            tablets = question.table.tablets
            (found,) = await of_one_moment(question.table, [ranking(question, self._filter, fetch, trace)], pool)
            best, exhausted, done = await pool.run(self._rank, found.parts, found.hits, fetch)
            rows: list[_Rows] = []
            if not done.all():
                if candidates is None:
                    candidates = await self._candidates()
                tablets = {**tablets, **{tablet.number: tablet for tablet, _ in candidates}}
                best, rows, done = await pool.run(self._count_groups, best, exhausted, candidates, tablets)
            if done.all() or fetch == fetch_max:
                break
            fetch = min(fetch_max, fetch * _FETCH_GROWTH)
        with trace.stage("score_all"):
            for start in range(0, self._queries, _QUERIES_AT_ONCE):
                stop = min(start + _QUERIES_AT_ONCE, self._queries)
                if not done[start:stop].all():
                    exact = await self._score_all(start, stop, rows)
                    best = await pool.run(self._replaced, best, exact, start, stop)
        with trace.stage("gather"):
            return await pool.run(self._gathered, tablets, best)

    def _rank(self, parts: Sequence[Tablet], hits: Sequence[Hits], fetch: int) -> tuple[Ranking, Flags, Flags]:
        """The ranking with codes of its own, whose ranking holds all rows there are, and whose is settled; runs in the search pool."""
        if not parts:
            everybody = np.ones(self._queries, np.bool_)
            return Ranking.empty(), everybody, everybody
        best = self._question.window.within(merged(self._question, parts, hits, fetch))
        kept = np.arange(best.slots.shape[1]) < best.counts[:, None]
        addresses = best.slots[kept]
        codes = codes_of(gather_cells({tablet.number: tablet for tablet in parts}, self._field, addresses))
        ranking = Ranking(np.nonzero(kept)[0], addresses, best.scores[kept], codes)
        exhausted = best.counts < fetch
        return ranking, exhausted, settled(ranking, exhausted, self._groups, self._size, None)

    async def _candidates(self) -> list[tuple[Tablet, Slots]]:
        """All rows that may be in the answer."""
        table = self._question.table
        if self._filter:
            return [(tablet, matches.slots) for tablet, matches in await table.matches(self._filter)]
        pool = self._question.pool
        return [(tablet, await pool.run(np.flatnonzero, tablet.columns.alive)) for tablet in table.tablets.values()]

    def _count_groups(
        self, ranking: Ranking, exhausted: Flags, candidates: Sequence[tuple[Tablet, Slots]], tablets: Mapping[int, Tablet]
    ) -> tuple[Ranking, list[_Rows], Flags]:
        """Codes that hold for all rows, in place of those of the ranking alone, and what is settled now that the size of each group is
        known; runs in the search pool. Rows of the ranking may be younger than the candidates: both get their codes together."""
        cells = [tablet.cells(self._field, slots) for tablet, slots in candidates]
        codes = codes_of(_joined([*cells, gather_cells(tablets, self._field, ranking.addresses)]))
        rows: list[_Rows] = []
        start = 0
        for tablet, slots in candidates:
            rows.append(_Rows(tablet, slots, codes[start : start + len(slots)]))
            start += len(slots)
        sizes = np.bincount(codes[:start], minlength=int(codes.max(initial=0)) + 1)
        ranking = ranking._replace(codes=codes[start:])
        return ranking, rows, settled(ranking, exhausted, self._groups, self._size, sizes)

    async def _score_all(self, start: int, stop: int, rows: Sequence[_Rows]) -> Ranking:
        """The exact ranking of the queries start..stop-1, as far as the answer needs it."""
        found = await self._scan(start, stop, rows, self._groups, 1)
        if self._size == 1:
            return found
        # A group may enter late by its best row: its other rows are only known once all groups are.
        rows = await self._question.pool.run(_of_groups, rows, found.codes)
        return await self._scan(start, stop, rows, len(found.codes), self._size)

    async def _scan(self, start: int, stop: int, rows: Sequence[_Rows], groups: int, size: int) -> Ranking:
        question = self._question
        vectors = question.vectors[start:stop]
        found = Ranking.empty()
        for part in rows:
            for at in range(0, len(part.slots), _ROWS_AT_ONCE):
                block = _Rows(part.tablet, part.slots[at : at + _ROWS_AT_ONCE], part.codes[at : at + _ROWS_AT_ONCE])
                index = block.tablet.index(question.index)
                hits = await index.search_among(vectors, len(block.slots), block.slots)
                fresh = await question.pool.run(self._rank_block, block, hits, start)
                found = await question.pool.run(self._best_of, found, fresh, groups, size)
        return found

    def _rank_block(self, block: _Rows, hits: Hits, first_query: int) -> Ranking:
        hits = self._question.window.within(hits)
        kept = np.arange(hits.slots.shape[1]) < hits.counts[:, None]
        slots = hits.slots[kept]
        codes = block.codes[np.searchsorted(block.slots, slots)]
        return Ranking(np.nonzero(kept)[0] + first_query, addresses_in(block.tablet.number, slots), hits.scores[kept], codes)

    def _best_of(self, found: Ranking, fresh: Ranking, groups: int, size: int) -> Ranking:
        return best_groups(Ranking.joined(found, fresh, descending=self._question.descending), groups, size)

    def _replaced(self, ranking: Ranking, exact: Ranking, start: int, stop: int) -> Ranking:
        """The ranking with that of the queries start..stop-1 in place of what it had of them."""
        others = ranking.take((ranking.queries < start) | (ranking.queries >= stop))
        return Ranking.joined(others, exact, descending=self._question.descending)

    def _gathered(self, tablets: Mapping[int, Tablet], ranking: Ranking) -> SearchResult:
        best = group_by_group(ranking, self._offset, self._groups, self._size)
        counts = np.bincount(best.queries, minlength=self._queries).astype(np.int32)
        return SearchResult(counts, best.scores, gather(tablets, self._question.fields, best.addresses), self._question.key)


def _of_groups(rows: Sequence[_Rows], codes: Codes) -> list[_Rows]:
    """The rows of the groups in `codes`."""
    kept = [np.isin(part.codes, codes) for part in rows]
    return [_Rows(part.tablet, part.slots[at], part.codes[at]) for part, at in zip(rows, kept, strict=True)]


def _joined(parts: Sequence[ColumnData]) -> ColumnData:
    values = concat_values([part.values for part in parts])
    if all(part.valid is None for part in parts):
        return ColumnData(values)
    return ColumnData(values, np.concatenate([np.ones(len(p.values), np.bool_) if p.valid is None else p.valid for p in parts]))
