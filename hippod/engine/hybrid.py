"""Hybrid search: several rankings of one table, all of one moment, fused into one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from hippod.engine.addresses import gather
from hippod.engine.explain import Trace, plan_search
from hippod.engine.fusion import WeightedHits, fused
from hippod.engine.index.exact import Hits
from hippod.engine.index.pool import SearchPool
from hippod.engine.one_moment import Found, Ranking, of_one_moment
from hippod.engine.operations import HybridSearch, HybridSearchResult, PartialSearch, Profile, Search
from hippod.engine.operations.hybrid_search import RANK_CONSTANT_MAX, SEARCHES_MAX, WEIGHT_MAX
from hippod.engine.operations.queries import HITS_MAX, K_MAX
from hippod.engine.search import Question, merged, of_current_tablets, ranking
from hippod.engine.table import Table
from hippod.errors import LimitExceeded, Rejected


async def search_hybrid(table: Table, operation: HybridSearch, pool: SearchPool) -> HybridSearchResult:
    """Answer a hybrid search. Raises Rejected and its descendants before anything is done; those of one search say which."""
    _check(operation)
    search = _HybridSearch(table, operation, pool)
    return await (search.explain() if operation.explain else of_current_tablets(table, search.answer))


def _check(operation: HybridSearch) -> None:
    searches = operation.searches
    if not 1 <= len(searches) <= SEARCHES_MAX:
        raise LimitExceeded(f"a hybrid search has 1 to {SEARCHES_MAX} searches, not {len(searches)}", limit=SEARCHES_MAX)
    if not 1 <= operation.limit <= K_MAX:
        raise LimitExceeded(f"limit is from 1 to {K_MAX}, not {operation.limit}", limit=K_MAX)
    if operation.offset < 0:
        raise LimitExceeded(f"offset is 0 or more, not {operation.offset}", limit=0)
    if operation.offset + operation.limit > K_MAX:
        raise LimitExceeded(f"offset + limit is at most {K_MAX}, not {operation.offset + operation.limit}", limit=K_MAX)
    if not 0 <= operation.rank_constant <= RANK_CONSTANT_MAX:
        raise LimitExceeded(f"rank_constant is from 0 to {RANK_CONSTANT_MAX}, not {operation.rank_constant:g}", limit=RANK_CONSTANT_MAX)
    for number, search in enumerate(searches):
        if not 0 <= search.weight <= WEIGHT_MAX:
            raise LimitExceeded(f"searches[{number}]: weight is from 0 to {WEIGHT_MAX}, not {search.weight:g}", limit=WEIGHT_MAX)
        if len(search.vectors) != len(searches[0].vectors):
            raise Rejected(f"searches[{number}] has {len(search.vectors)} queries, the first has {len(searches[0].vectors)}")
    if not any(search.weight for search in searches):
        raise Rejected("one of the weights must be above 0")
    hits = len(searches[0].vectors) * sum(search.k for search in searches)
    if hits > HITS_MAX:
        raise LimitExceeded(f"queries times the k of all searches is at most {HITS_MAX}, not {hits}", limit=HITS_MAX)


class _HybridSearch:
    """A checked hybrid search: what each of its searches asks, and how the answer is made."""

    def __init__(self, table: Table, operation: HybridSearch, pool: SearchPool) -> None:
        self._table = table
        self._operation = operation
        self._pool = pool
        self._searches = [_single(operation, search) for search in operation.searches]
        self._questions: list[Question] = []
        for number, search in enumerate(self._searches):
            with _naming(number):
                self._questions.append(Question(table, search, pool))

    async def explain(self) -> HybridSearchResult:
        plans = []
        for number, (question, search) in enumerate(zip(self._questions, self._searches, strict=True)):
            with _naming(number):
                plans.append(await plan_search(self._table, question.definition, search))
        first = self._questions[0]
        columns = gather(self._table.tablets, first.fields, np.empty(0, np.int64))
        return HybridSearchResult(np.zeros(len(first.vectors), np.int32), np.empty(0, np.float32), columns, first.key, plans)

    async def answer(self) -> HybridSearchResult:
        traces = [Trace() for _ in self._searches]
        asked = zip(self._questions, self._searches, traces, strict=True)
        rankings = [_named(n, ranking(question, search.filter, question.k, trace)) for n, (question, search, trace) in enumerate(asked)]
        found = await of_one_moment(self._table, rankings, self._pool)
        profiles = [trace.profile() for trace in traces] if self._operation.profile else None
        return await self._pool.run(self._fused, found, profiles)

    def _fused(self, found: Sequence[Found], profiles: list[Profile] | None) -> HybridSearchResult:
        """Runs in the search pool."""
        operation, first = self._operation, self._questions[0]
        asked = zip(self._questions, operation.searches, found, strict=True)
        parts = [
            WeightedHits(
                _merged(question, one), question.definition.metric, self._table.vector_field(search.field).dimension or 0, search.weight
            )
            for question, search, one in asked
        ]
        best = fused(parts, operation.fusion, operation.rank_constant, operation.offset, operation.limit)
        tablets = self._table.tablets
        columns = gather({**tablets, **{t.number: t for one in found for t in one.parts}}, first.fields, best.addresses)
        return HybridSearchResult(best.counts, best.scores, columns, first.key, profiles=profiles)


def _single(operation: HybridSearch, search: PartialSearch) -> Search:
    return Search(
        table=operation.table,
        vectors=search.vectors,
        k=search.k,
        field=search.field,
        filter=(operation.filter if search.filter is None else search.filter).strip(),
        output_fields=operation.output_fields,
        index=search.index,
        params=search.params,
        radius=search.radius,
        database=operation.database,
    )


@contextmanager
def _naming(number: int) -> Iterator[None]:
    """Errors raised inside, which are those of one search alone, say which it is."""
    try:
        yield
    except Rejected as error:
        raise type(error)(f"searches[{number}]: {error.message}", **{**error.details, "search": number}) from None


def _named(number: int, asked: Ranking) -> Ranking:
    async def find(fetch: int) -> Found:
        with _naming(number):
            return await asked.find(fetch)

    return dataclasses.replace(asked, find=find)


def _merged(question: Question, found: Found) -> Hits:
    """The ranking of one search over all tablets, within its radius; addresses in place of slots."""
    if not found.parts:
        queries = len(question.vectors)
        return Hits(np.empty((queries, 0), np.int64), np.empty((queries, 0), np.float32), np.zeros(queries, np.int32))
    return question.window.within(merged(question, found.parts, found.hits, question.k))
