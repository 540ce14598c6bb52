"""Vector search over a table: one plan a tablet, hits of all tablets merged, rows of the hits gathered into columns.

The plain case (no filter, one tablet, not too many hits) passes through one future without a task: it is the hot path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.addresses import addresses_in, gather
from hippod.engine.explain import Trace, plan_search
from hippod.engine.index.delivery import QUERIES_PER_PART
from hippod.engine.index.exact import Hits
from hippod.engine.index.matches import Matches
from hippod.engine.index.pool import SearchPool
from hippod.engine.one_moment import Found, Ranking, of_one_moment
from hippod.engine.operations import Metric, Search, SearchResult, SearchWay
from hippod.engine.operations.queries import FILTER_BYTES_MAX, HITS_MAX, QUERIES_MAX
from hippod.engine.planner import plan_filtered
from hippod.engine.ranges import deeper, wanted_rows_text
from hippod.engine.search_shape import SearchShape
from hippod.engine.table import Table
from hippod.engine.tablet import Tablet
from hippod.engine.vector_cells import Vectors, normalize_vectors
from hippod.errors import LimitExceeded, WrongState

# Gathering more cells than this, or vectors of more bytes, is left to the pool: it would hold up the event loop.
_CELLS_ON_LOOP_MAX: Final = 4_096
_VECTOR_BYTES_ON_LOOP_MAX: Final = 16_384

T = TypeVar("T")


class Question:
    """A checked search: what to ask of each tablet, and how to answer. `k` rows of the ranking are wanted; `window` is the answer."""

    __slots__ = (
        "definition",
        "descending",
        "fields",
        "grouping",
        "index",
        "k",
        "key",
        "params",
        "pool",
        "shape",
        "table",
        "vectors",
        "window",
    )

    def __init__(self, table: Table, operation: Search, pool: SearchPool) -> None:
        shape = table.search_shapes.of(table, operation)
        self.vectors = _check_queries(operation, shape)
        self.table = table
        self.pool = pool
        self.params = operation.params
        self.shape = shape
        self.k = shape.k
        self.definition = shape.definition
        self.index = shape.definition.name
        self.fields = shape.fields
        self.grouping = shape.grouping
        self.key = shape.key
        self.window = shape.window
        self.descending = shape.window.descending

    @property
    def is_light(self) -> bool:
        """Whether the event loop may gather the answer by itself."""
        queries, shape = len(self.vectors), self.shape
        return queries * shape.cells < _CELLS_ON_LOOP_MAX and queries * shape.vector_bytes < _VECTOR_BYTES_ON_LOOP_MAX


def search(table: Table, operation: Search, pool: SearchPool) -> asyncio.Future[SearchResult]:
    """Answer a search. Raises Rejected and its descendants before anything is done."""
    question = Question(table, operation, pool)
    if operation.explain:
        return asyncio.ensure_future(_explain(question, operation))
    if operation.filter or operation.profile or len(table.tablets) != 1:
        return asyncio.ensure_future(_search_current(question, operation))
    tablet = next(iter(table.tablets.values()))
    index = tablet.index(question.index)
    if len(question.vectors) > QUERIES_PER_PART or not question.is_light:
        hits = index.search(question.vectors, question.k, question.params)
        return asyncio.ensure_future(_gather_in_pool(question, tablet, hits))
    return index.answer(question.vectors, question.k, question.params, partial(_gather, question, tablet))


def _check_queries(operation: Search, shape: SearchShape) -> Vectors:
    queries = len(operation.vectors)
    if not 1 <= queries <= QUERIES_MAX:
        raise LimitExceeded(f"a search has 1 to {QUERIES_MAX} queries, not {queries}", limit=QUERIES_MAX)
    if queries * shape.k > HITS_MAX:
        raise LimitExceeded(f"queries times {wanted_rows_text(operation)} is at most {HITS_MAX}, not {queries * shape.k}", limit=HITS_MAX)
    if len(operation.filter) > FILTER_BYTES_MAX:
        raise LimitExceeded(f"a filter has at most {FILTER_BYTES_MAX} characters", limit=FILTER_BYTES_MAX)
    return normalize_vectors(shape.field, operation.vectors, "vectors", zero_refused=shape.definition.metric is Metric.COSINE)


async def _gather_in_pool(question: Question, tablet: Tablet, hits: asyncio.Future[Hits]) -> SearchResult:
    return await question.pool.run(_gather, question, tablet, await hits)


def _gather(question: Question, tablet: Tablet, hits: Hits) -> SearchResult:
    hits = question.window.of(hits)
    slots, scores = _flat(hits)
    return SearchResult(hits.counts, scores, tablet.take(question.fields, slots), question.key)


def _flat(hits: Hits) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Slots and scores of all hits, one query after the other, without the padding."""
    width = hits.slots.shape[1]
    # A list has its least number sooner than numpy: nearly always there is one.
    if min(hits.counts.tolist()) == width:
        return hits.slots.reshape(-1), hits.scores.reshape(-1)
    kept = np.arange(width) < hits.counts[:, None]
    return hits.slots[kept], hits.scores[kept]


async def _explain(question: Question, operation: Search) -> SearchResult:
    plan = await plan_search(question.table, question.definition, msgspec.structs.replace(operation, k=question.k))
    nothing = _merge(question, question.table.tablets, (), ())
    return msgspec.structs.replace(nothing, plan=plan)


async def _search_current(question: Question, operation: Search) -> SearchResult:
    return await profiled(question, operation, lambda trace: _search_tablets(question, operation.filter, trace))


async def profiled(question: Question, operation: Search, answer: Callable[[Trace], Awaitable[SearchResult]]) -> SearchResult:
    """An answer from the tablets of now, with its profile if that is asked for."""

    async def traced() -> SearchResult:
        trace = Trace()
        result = await answer(trace)
        return msgspec.structs.replace(result, profile=trace.profile()) if operation.profile else result

    return await of_current_tablets(question.table, traced)


async def of_current_tablets(table: Table, answer: Callable[[], Awaitable[T]]) -> T:
    """An answer from the tablets of now; again if some of them were dropped with their partition meanwhile, which ends searches in them."""
    while True:
        tablets = table.tablets
        try:
            return await answer()
        except WrongState:
            if table.tablets is tablets:
                raise


async def _search_tablets(question: Question, text: str, trace: Trace) -> SearchResult:
    tablets = question.table.tablets
    (found,) = await of_one_moment(question.table, [ranking(question, text, question.k, trace)], question.pool)
    parts, hits = found
    with trace.stage("gather"):
        if len(parts) == 1 and question.is_light:
            return _gather(question, parts[0], hits[0])
        if len(parts) == 1:
            return await question.pool.run(_gather, question, parts[0], hits[0])
        return await question.pool.run(_merge, question, tablets, parts, hits)


def ranking(question: Question, text: str, k: int, trace: Trace) -> Ranking:
    """The `k` nearest rows that match the filter `text`, to be asked for."""
    return Ranking(question.vectors, question.index, question.descending, text, k, partial(_nearest, question, text, trace))


async def _nearest(question: Question, text: str, trace: Trace, k: int) -> Found:
    """The tablets that can have hits, and the `k` nearest rows of each that match the filter `text`."""
    if text:
        with trace.stage("filter"):
            found = await question.table.matches(text)
        trace.matches = sum(len(matches.slots) for _, matches in found)
        parts = [tablet for tablet, _ in found]
        searches = [_search_matches(question, tablet, matches, k, trace) for tablet, matches in found]
    else:
        parts = list(question.table.tablets.values())
        searches = [_search_whole(question, tablet, k, trace) for tablet in parts]
    with trace.stage("search"):
        return Found(parts, [await searches[0]] if len(searches) == 1 else await asyncio.gather(*searches))


async def _search_whole(question: Question, tablet: Tablet, k: int, trace: Trace) -> Hits:
    index = tablet.index(question.index)
    params = deeper(question.params, question.k, k)
    way = SearchWay.EXACT if index.tuning_for(k, params, k) is None else SearchWay.INDEX
    with trace.way(tablet, way, k) as took:
        return took(await index.search(question.vectors, k, params))


async def _search_matches(question: Question, tablet: Tablet, matches: Matches, k: int, trace: Trace) -> Hits:
    """By the way that costs least; queries that find too few over-fetching get the rest of an answer among the matches."""
    index, vectors = tablet.index(question.index), question.vectors
    params = deeper(question.params, question.k, k)
    depth, promised, _ = plan_filtered(index, k, params, matches, tablet.columns.live_count)
    if depth is None:
        matches.experience.passed_over()
        with trace.way(tablet, SearchWay.AMONG, len(matches.slots)) as took:
            return took(await index.search_among(vectors, k, matches.slots))
    assert isinstance(vectors, np.ndarray)  # nothing is trained over sparse vectors
    with trace.way(tablet, SearchWay.OVER_FETCH, depth) as took:
        hits = took(await index.search_matching(vectors, k, deeper(params, k, depth), matches, depth, promised))
    lacking = np.flatnonzero(hits.counts < min(k, len(matches.slots)))
    matches.experience.tried(depth, len(hits.counts), len(lacking))
    if not len(lacking):
        return hits
    with trace.way(tablet, SearchWay.AMONG, len(matches.slots)) as took:
        return hits.replaced(lacking, took(await index.search_among(vectors[lacking], k, matches.slots)))


def _merge(question: Question, tablets: Mapping[int, Tablet], parts: Sequence[Tablet], hits: Sequence[Hits]) -> SearchResult:
    """The answer from the hits of several tablets; runs in the search pool."""
    if not parts:
        counts = np.zeros(len(question.vectors), np.int32)
        return SearchResult(counts, np.empty(0, np.float32), gather(tablets, question.fields, np.empty(0, np.int64)), question.key)
    best = question.window.of(merged(question, parts, hits, question.k))
    flat, scores = _flat(best)
    return SearchResult(best.counts, scores, gather(tablets, question.fields, flat), question.key)


def merged(question: Question, parts: Sequence[Tablet], hits: Sequence[Hits], k: int) -> Hits:
    """The k best of all tablets for each query, exactly; addresses in place of slots."""
    worst = -np.inf if question.descending else np.inf
    scores = np.concatenate([np.where(np.arange(h.slots.shape[1]) < h.counts[:, None], h.scores, worst) for h in hits], axis=1)
    addresses = np.concatenate([addresses_in(tablet.number, h.slots) for tablet, h in zip(parts, hits, strict=True)], axis=1)
    order = np.argsort(-scores if question.descending else scores, axis=1, kind="stable")[:, :k]
    counts = np.minimum(sum(h.counts for h in hits), k).astype(np.int32)
    return Hits(np.take_along_axis(addresses, order, 1), np.take_along_axis(scores, order, 1).astype(np.float32), counts)
