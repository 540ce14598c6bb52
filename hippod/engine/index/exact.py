"""Exact nearest rows: which k rows score best for each query, over all living slots or a given set of them.

Two passes. The first ranks every row with one matrix product per chunk, in which all metrics are "higher is better":

    IP      q . x
    COSINE  (q . x) / |x|
    L2      (q - c) . x - |x - c|^2 / 2    half the negated squared distance, up to a constant of the query; the centre c
                                           keeps it precise for vectors that lie close together far from the origin

The second scores the best few directly from the definition (subtract, square, add; or the dot product), so the scores
and the final order don't carry the rounding of the first. Where float32 overflows in the first pass, the queries
concerned are answered in float64. Memory is bounded by the constants below, whatever the number of rows and queries.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hippod.engine.index.vectors import Slots, Vectors, VectorSource
from hippod.engine.operations.indexes import Metric

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]

_QUERIES_AT_ONCE: Final = 64
# A megabyte: memory that one chunk leaves to the next; larger blocks come anew from the system each time.
_SCORES_AT_ONCE: Final = 250_000
_CELLS_AT_ONCE: Final = 1 << 22
# Rows that lie apart are copied side by side in blocks that fit into a processor's cache, into memory that is used again: of 4,470 x 384
# a lone product took 0.7 ms so, and 1.8 ms where all rows were copied first.
_CELLS_COPIED_AT_ONCE: Final = 1 << 17
_CENTRE_ROWS: Final = 1_024
_FIRST_RANKS: Final = 1_024
_SQUARE_MIN: Final = 1e-30
_SQUARE_MAX: Final = 1e30


class Hits(NamedTuple):
    """Answers of nq queries: slots int64 (nq, k), scores float32 (nq, k), counts int32 (nq,); best first, padding behind counts."""

    slots: Slots
    scores: Scores
    counts: npt.NDArray[np.int32]

    def part(self, start: int, stop: int) -> Hits:
        """The answers of queries start..stop-1, sharing memory."""
        return Hits(self.slots[start:stop], self.scores[start:stop], self.counts[start:stop])

    def replaced(self, queries: npt.NDArray[np.intp], others: Hits) -> Hits:
        """The same with the answers of `others`, for as many rows, in place of those of some queries."""
        slots, scores, counts = self.slots.copy(), self.scores.copy(), self.counts.copy()
        slots[queries], scores[queries], counts[queries] = others
        return Hits(slots, scores, counts)

    @classmethod
    def joined(cls, parts: Sequence[Hits]) -> Hits:
        """The answers of `parts`, all for the same k, one behind the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.slots for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.counts for part in parts]),
        )


class ExactSearch(Protocol):
    """Exact search over one field. Any thread may use it; more than `threads_max` at a time gain nothing."""

    threads_max: int

    def search(self, count: int, queries: Any, k: int, slots: Slots | None, alive: Mask | None) -> Hits:
        """The k best of `slots` (None: of slots 0..count-1) that are `alive` (bool (count,); None: all are), for each of the queries."""


class DenseSearch:
    """Exact search over one field of float vectors, see ExactSearch."""

    threads_max = 2

    def __init__(self, vectors: VectorSource, metric: Metric) -> None:
        self._vectors = vectors
        self._terms = Terms(vectors, metric)

    def search(self, count: int, queries: Vectors, k: int, slots: Slots | None, alive: Mask | None) -> Hits:
        return search_exactly(self._vectors.view(count), self._terms, queries, k, slots=slots, alive=alive)


class Terms:
    """What the first pass adds or multiplies per row, cached by slot: 1 / |x| for COSINE, |x - c|^2 / 2 for L2, nothing for IP.

    Any thread may ask; values are computed once, for slots from `first` on, and never change.
    """

    def __init__(self, vectors: VectorSource, metric: Metric, first: int = 0) -> None:
        self.metric = metric
        self.centre: Vectors | None = None
        self._vectors = vectors
        self.first = self._known = first
        self._values = np.empty(0, np.float32)
        self._lock = threading.Lock()

    def view(self, count: int) -> Scores:
        """The terms of slots first..count-1 (empty for IP)."""
        if self.metric is Metric.IP:
            return self._values
        if self._known < count:
            with self._lock:
                self._extend(count)
        return self._values[: count - self.first]

    def _extend(self, count: int) -> None:
        rows = self._vectors.view(count)
        if self.metric is Metric.L2 and self.centre is None:
            self.centre = rows[self.first : self.first + _CENTRE_ROWS].mean(axis=0, dtype=np.float64).astype(np.float32)
        if count - self.first > len(self._values):
            grown = np.empty(max(1_024, count - self.first, 2 * len(self._values)), np.float32)
            grown[: self._known - self.first] = self._values[: self._known - self.first]
            self._values = grown
        step = max(1, _CELLS_AT_ONCE // rows.shape[1])
        for start in range(self._known, count, step):
            stop = min(count, start + step)
            self._values[start - self.first : stop - self.first] = _row_terms(rows[start:stop], self.metric, self.centre)
        self._known = max(self._known, count)


def _row_terms(rows: Vectors, metric: Metric, centre: Vectors | None) -> Scores:
    shifted = rows if centre is None else rows - centre
    squares = np.einsum("ij,ij->i", shifted, shifted, dtype=np.float64)
    with np.errstate(over="ignore", divide="ignore"):
        term = squares / 2 if metric is Metric.L2 else 1 / np.sqrt(squares)
        return np.asarray(term, np.float32)


def normalised(rows: Vectors) -> Vectors:
    """Copies of unit length."""
    with np.errstate(over="ignore"):
        squares = np.vecdot(rows, rows)
    if len(rows) and not (np.minimum.reduce(squares) > _SQUARE_MIN and np.maximum.reduce(squares) < _SQUARE_MAX):
        wide = rows.astype(np.float64)
        return np.asarray(wide / np.sqrt(np.vecdot(wide, wide))[:, None], np.float32)
    return np.asarray(rows / np.sqrt(squares)[:, None])


def search_exactly(
    rows: Vectors, terms: Terms, queries: Vectors, k: int, *, slots: Slots | None = None, alive: Mask | None = None, first: int = 0
) -> Hits:
    """The k best of `slots` (or of slots first..len(rows)-1) that are `alive` (None: all are), for queries (nq, dimension).

    No slot searched lies below `terms.first`.
    """
    searched = len(rows) - first if slots is None else len(slots)
    wide = min(searched, k + 16 + k // 8)
    parts = [
        _search_block(rows, terms, queries[start : start + _QUERIES_AT_ONCE], k, wide, slots, alive, first)
        for start in range(0, len(queries), _QUERIES_AT_ONCE)
    ]
    return Hits.joined(parts)


def _search_block(
    rows: Vectors, terms: Terms, queries: Vectors, k: int, wide: int, slots: Slots | None, alive: Mask | None, first: int
) -> Hits:
    living = _living(len(rows), slots, alive, first)
    with np.errstate(over="ignore", invalid="ignore"):
        ranks, places = _rank(rows, terms, queries, wide, slots, alive, first)
        candidates = places if slots is None else slots[places]
        finite = np.isfinite(ranks)
        scores = score_directly(rows, queries, candidates, terms.metric)
        bad = (finite.sum(axis=1) < min(wide, living)) | (np.isnan(scores) & finite).any(axis=1)
    hits = _best(candidates, scores, finite, k, terms.metric)
    for query in np.flatnonzero(bad):
        _search_wide(
            rows, queries[query], terms.metric, slots, alive, first, Hits(*(column[query] for column in hits)), hits.counts[query:]
        )
    return hits


def _living(count: int, slots: Slots | None, alive: Mask | None, first: int) -> int:
    if alive is None:
        return count - first if slots is None else len(slots)
    return int(np.count_nonzero(alive[first:count] if slots is None else alive[slots]))


def _rank(
    rows: Vectors, terms: Terms, queries: Vectors, wide: int, slots: Slots | None, alive: Mask | None, first: int
) -> tuple[Scores, Slots]:
    """First pass: ranks (nq, wide) and places (slots, or positions in `slots`); dead rows rank -inf."""
    dimension = queries.shape[1]
    count = len(rows) if slots is None else len(slots)
    start_at = first if slots is None else 0
    term = terms.view(len(rows))
    left = queries if terms.centre is None else queries - terms.centre
    step = max(256, _SCORES_AT_ONCE // len(queries))
    copies: Vectors = np.empty((0 if slots is None else min(count, max(16, _CELLS_COPIED_AT_ONCE // dimension)), dimension), np.float32)
    best_ranks: Scores = np.empty((len(queries), 0), np.float32)
    best_places: Slots = np.empty((len(queries), 0), np.int64)
    for start in range(start_at, count, step):
        stop = min(count, start + step)
        taken: slice | Slots = slice(start, stop) if slots is None else slots[start:stop]
        ranks = _products(rows[start:stop], left) if slots is None else _products_apart(rows, slots[start:stop], left, copies)
        if terms.metric is not Metric.IP:
            factor = term[start - terms.first : stop - terms.first] if slots is None else term[slots[start:stop] - terms.first]
            if terms.metric is Metric.L2:
                ranks -= factor
            else:
                ranks *= factor
        if alive is not None:
            ranks[:, np.flatnonzero(~alive[taken])] = -np.inf
        best_ranks, best_places = merge_best(best_ranks, best_places, ranks, start, wide)
    return best_ranks, best_places


def _products(rows: Vectors, left: Vectors) -> Scores:
    """Dot products (nq, n) of each of `left` (nq, d) with each of `rows` (n, d)."""
    return np.asarray(rows @ left[0])[None] if len(left) == 1 else np.asarray(left @ rows.T)


def _products_apart(rows: Vectors, slots: Slots, left: Vectors, copies: Vectors) -> Scores:
    """The products with the rows at `slots`, by way of `copies` (m, d), which is overwritten."""
    products: Scores = np.empty((len(left), len(slots)), np.float32)
    for start in range(0, len(slots), len(copies)):
        some = slots[start : start + len(copies)]
        near = copies[: len(some)]
        np.take(rows, some, axis=0, out=near, mode="clip")
        products[:, start : start + len(some)] = _products(near, left)
    return products


def merge_best(best: Scores, places: Slots, ranks: Scores, start: int, wide: int) -> tuple[Scores, Slots]:
    """Keep the `wide` best of what was found and a chunk: most chunks only have a few rows above the worst that is kept."""
    first = max(_FIRST_RANKS, 8 * wide)
    if best.shape[1] < wide and ranks.shape[1] > 2 * first:
        # The best of a few rows say what most of the others need not be put in order for.
        best, places = merge_best(best, places, ranks[:, :first], start, wide)
        ranks, start = ranks[:, first:], start + first
    if best.shape[1] < wide:
        fresh: Slots = np.broadcast_to(np.arange(ranks.shape[1]), ranks.shape)
    else:
        # NaN counts as above: it tells that float32 overflowed. Of one dimension, because few of many are found forty times as fast so.
        above = np.flatnonzero(~(ranks <= best.min(axis=1, keepdims=True)))
        if not len(above):
            return best, places
        query, column = np.divmod(above, ranks.shape[1])
        per_query = np.bincount(query, minlength=len(ranks))
        if (most := int(per_query.max())) * 4 > ranks.shape[1]:
            fresh = np.broadcast_to(np.arange(ranks.shape[1]), ranks.shape)
        else:
            position = np.arange(len(query)) - np.repeat(np.cumsum(per_query) - per_query, per_query)
            packed = np.full((len(ranks), most), -np.inf, np.float32)
            packed[query, position] = ranks[query, column]
            fresh = np.zeros((len(ranks), most), np.int64)
            fresh[query, position] = column
            ranks = packed
    if ranks.shape[1] > wide:
        chosen = np.argpartition(ranks, ranks.shape[1] - wide, axis=1)[:, ranks.shape[1] - wide :]
        ranks, fresh = np.take_along_axis(ranks, chosen, 1), np.take_along_axis(fresh, chosen, 1)
    ranks, fresh = np.concatenate((best, ranks), axis=1), np.concatenate((places, fresh + start), axis=1)
    if ranks.shape[1] > wide:
        chosen = np.argpartition(ranks, ranks.shape[1] - wide, axis=1)[:, ranks.shape[1] - wide :]
        ranks, fresh = np.take_along_axis(ranks, chosen, 1), np.take_along_axis(fresh, chosen, 1)
    return ranks, fresh


def score_directly(rows: Vectors, queries: Vectors, candidates: Slots, metric: Metric) -> Scores:
    """The scores, from their definition, of candidates (nq, n) for each query."""
    scores = np.empty(candidates.shape, np.float32)
    step = max(1, _CELLS_AT_ONCE // max(1, candidates.shape[1] * rows.shape[1]))
    for start in range(0, len(queries), step):
        near = rows[candidates[start : start + step]]
        left = queries[start : start + step, None, :]
        if metric is Metric.L2:
            near -= left
            np.square(near, out=near)
            scores[start : start + step] = near.sum(axis=2)
            continue
        product = np.einsum("qnd,qd->qn", near, left[:, 0])
        if metric is Metric.COSINE:
            lengths = np.sqrt(np.einsum("qnd,qnd->qn", near, near)) * np.sqrt(np.einsum("qd,qd->q", left[:, 0], left[:, 0]))[:, None]
            product = np.clip(product / lengths, -1, 1)
        scores[start : start + step] = product
    return scores


def _best(candidates: Slots, scores: Scores, valid: Mask, k: int, metric: Metric) -> Hits:
    """Order candidates (nq, n) by score and cut at k; invalid ones go behind and are not counted."""
    return best_of(candidates, np.where(valid, scores if metric.is_distance else -scores, np.inf), valid, scores, k)


def best_of(candidates: Slots, order: Scores, valid: Mask, scores: Scores, k: int) -> Hits:
    """The k candidates with the lowest `order`, padded with zeros to k columns."""
    sorted_at = np.argsort(order, axis=1)[:, :k]
    have = sorted_at.shape[1]
    # As places in one row, which numpy takes faster than those in several.
    sorted_at += (np.arange(len(order)) * order.shape[1])[:, None]
    slots, kept = candidates.take(sorted_at), scores.take(sorted_at)
    if have < k:
        slots, kept = (np.concatenate((part, np.zeros((len(order), k - have), part.dtype)), axis=1) for part in (slots, kept))
    return Hits(slots, kept, np.minimum(np.add.reduce(valid, axis=1, dtype=np.int32), np.int32(k)))


def _search_wide(
    rows: Vectors,
    query: Vectors,
    metric: Metric,
    slots: Slots | None,
    alive: Mask | None,
    first: int,
    into: Hits,
    count: npt.NDArray[np.int32],
) -> None:
    """Answer one query in float64 where float32 overflowed, into the row `into` of the hits (its count is `count[0]`)."""
    place = np.arange(first, len(rows)) if slots is None else slots
    if alive is not None:
        place = place[alive[place]]
    scores = np.empty(len(place), np.float64)
    step = max(1, _CELLS_AT_ONCE // rows.shape[1])
    wide_query = query.astype(np.float64)
    for start in range(0, len(place), step):
        near = rows[place[start : start + step]].astype(np.float64)
        if metric is Metric.L2:
            scores[start : start + step] = np.square(near - wide_query).sum(axis=1)
            continue
        product = near @ wide_query
        if metric is Metric.COSINE:
            product /= np.sqrt(np.square(near).sum(axis=1)) * np.sqrt(np.square(wide_query).sum())
        scores[start : start + step] = product
    best = np.argsort(scores if metric is Metric.L2 else -scores)[: len(into.slots)]
    with np.errstate(over="ignore"):
        into.slots[: len(best)] = place[best]
        into.scores[: len(best)] = scores[best].astype(np.float32)
    count[0] = len(best)
