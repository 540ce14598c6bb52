"""Exact inner products of sparse vectors from an inverted index: of a query only the entries that share an index with it are read.

Rows are kept in segments of consecutive slots. A segment holds its entries by index:

    terms   uint32 (t,)      the indices that occur, ascending
    starts  int64 (t + 1,)   terms[i] has the entries starts[i] to starts[i + 1]
    rows    int32 (entries,) row within the segment          values  float32 (entries,)

Rows that are not yet in a segment get one when they are first searched. A segment is merged with the one before it while that is not
twice as large, up to a size: so there are few, and each entry is sorted a logarithmic number of times. Products are summed in float64
and rounded once. Every living row is a candidate: one that shares no index with the query scores 0.
"""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import SparseArray
from hippod.engine.index.exact import Hits, Mask, Scores, best_of, merge_best
from hippod.engine.index.sparse_vectors import SparseVectorFile
from hippod.engine.index.vectors import Slots

_FLOAT32: Final = np.finfo(np.float32)
_SEGMENT_ENTRIES_MAX: Final = 4 << 20
_SEGMENT_ROWS_MAX: Final = 1 << 16
# A megabyte: memory that one block of queries leaves to the next; larger blocks come anew from the system each time.
_SCORES_AT_ONCE: Final = 250_000
_ENTRIES_AT_ONCE: Final = 1 << 15
# Among fewer rows than this a segment of their own is made for the search.
_OWN_SEGMENT_ROWS_MAX: Final = 4_096


class Segment(NamedTuple):
    """The entries of slots first..stop-1 by index."""

    first: int
    stop: int
    terms: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]

    @classmethod
    def of(cls, vectors: SparseArray, first: int) -> Segment:
        cut = vectors.compact()
        rows = np.repeat(np.arange(len(cut), dtype=np.int32), cut.lengths())
        # One sort of index and position together is much faster than a stable sort of positions by index.
        keys = np.sort(cut.indices.astype(np.uint64) << np.uint64(32) | np.arange(len(rows), dtype=np.uint64))
        order = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
        indices = (keys >> np.uint64(32)).astype(np.uint32)
        begins = np.flatnonzero(np.concatenate(([True], indices[1:] != indices[:-1]))) if len(indices) else np.empty(0, np.int64)
        starts = np.append(begins, len(indices)).astype(np.int64)
        return cls(first, first + len(cut), indices[begins], starts, rows[order], cut.values[order])

    def add_scores(self, indices: npt.NDArray[np.uint32], weights: npt.NDArray[np.float32], into: npt.NDArray[np.float64]) -> None:
        """Add to `into` (rows,) the inner product of each row with the query that has these entries."""
        if not len(self.terms):
            return
        place = np.minimum(np.searchsorted(self.terms, indices), len(self.terms) - 1)
        shared = self.terms[place] == indices
        place, factors = place[shared], weights[shared].astype(np.float64)
        starts, stops = self.starts[place], self.starts[place + 1]
        lengths = stops - starts
        ends = np.cumsum(lengths)
        entries = [slice(*ends_of_term) for ends_of_term in zip(starts.tolist(), stops.tolist(), strict=True)]
        done = 0
        while done < len(entries):
            # As many terms at a time as a processor's cache holds; one of any length is taken.
            until = max(done + 1, int(np.searchsorted(ends, (ends[done - 1] if done else 0) + _ENTRIES_AT_ONCE, side="right")))
            part = entries[done:until]
            values = np.concatenate([self.values[term] for term in part])
            products = values * np.repeat(factors[done:until], lengths[done:until])
            np.add.at(into, np.concatenate([self.rows[term] for term in part]), products)
            done = until

    @property
    def memory_bytes(self) -> int:
        return self.terms.nbytes + self.starts.nbytes + self.rows.nbytes + self.values.nbytes


class SparseSearch:
    """Exact search over one sparse field, see `exact.ExactSearch`. Any thread may search; segments are made once and never change."""

    # numpy keeps the interpreter while it adds at places: two threads took twice the processor time for as many searches.
    threads_max = 1

    def __init__(self, vectors: SparseVectorFile) -> None:
        self._vectors = vectors
        self._segments: tuple[Segment, ...] = ()
        self._lock = threading.Lock()

    @property
    def memory_bytes(self) -> int:
        return sum(segment.memory_bytes for segment in self._segments)

    def search(self, count: int, queries: SparseArray, k: int, slots: Slots | None, alive: Mask | None) -> Hits:
        vectors = self._vectors.view(count)
        if slots is not None and len(slots) <= _OWN_SEGMENT_ROWS_MAX:
            own = (Segment.of(vectors.take(slots), 0),)
            found = _search(own, len(slots), queries, k, None if alive is None else alive[slots])
            return Hits(slots[found.slots] if len(slots) else found.slots, found.scores, found.counts)
        if slots is not None:
            chosen = np.zeros(count, np.bool_)
            chosen[slots] = True
            alive = chosen if alive is None else chosen & alive[:count]
        return _search(self._up_to(vectors), count, queries, k, alive)

    def _up_to(self, vectors: SparseArray) -> tuple[Segment, ...]:
        """Segments that have all of `vectors`; the last may have more."""
        if self._known() < len(vectors):
            with self._lock:
                while (start := self._known()) < len(vectors):
                    self._segments = _with(self._segments, vectors, start, _cut(vectors, start))
        return self._segments

    def _known(self) -> int:
        segments = self._segments
        return segments[-1].stop if segments else 0


def products(rows: SparseArray, queries: SparseArray) -> Scores:
    """float32 (queries, rows): the inner product of each row with each query."""
    segment = Segment.of(rows, 0)
    return _products(segment, queries, len(rows))


def _products(segment: Segment, queries: SparseArray, rows: int) -> Scores:
    """float32 (queries, rows): of the first `rows` of a segment. What overflows float32 is as near, or as far, as a score can be."""
    ends = queries.offsets.tolist()
    out = np.empty((len(queries), rows), np.float32)
    scores = np.empty(segment.stop - segment.first, np.float64)
    for number in range(len(queries)):
        entries = slice(ends[number], ends[number + 1])
        scores.fill(0)
        segment.add_scores(queries.indices[entries], queries.values[entries], scores)
        with np.errstate(over="ignore"):
            out[number] = scores[:rows]
    return np.clip(out, _FLOAT32.min, _FLOAT32.max, out=out)


def _cut(vectors: SparseArray, start: int) -> int:
    """Where a segment that begins at `start` has to end."""
    full = int(np.searchsorted(vectors.offsets, vectors.offsets[start] + _SEGMENT_ENTRIES_MAX, side="right")) - 1
    return min(len(vectors), start + _SEGMENT_ROWS_MAX, max(full, start + 1))


def _with(segments: tuple[Segment, ...], vectors: SparseArray, start: int, stop: int) -> tuple[Segment, ...]:
    """`segments` and one up to `stop`, those before it that are small merged into it."""
    kept = list(segments)
    while kept and kept[-1].stop - kept[-1].first < 2 * (stop - start) and stop <= _cut(vectors, kept[-1].first):
        start = kept.pop().first
    return (*kept, Segment.of(vectors[start:stop], start))


def _search(segments: tuple[Segment, ...], count: int, queries: SparseArray, k: int, alive: Mask | None) -> Hits:
    most = max((segment.stop - segment.first for segment in segments), default=1)
    step = max(1, _SCORES_AT_ONCE // max(1, most))
    parts = [_search_block(segments, count, queries[at : at + step], k, alive) for at in range(0, len(queries), step)]
    return Hits.joined(parts)


def _search_block(segments: tuple[Segment, ...], count: int, queries: SparseArray, k: int, alive: Mask | None) -> Hits:
    wide = min(k, count)
    best: Scores = np.empty((len(queries), 0), np.float32)
    places: Slots = np.empty((len(queries), 0), np.int64)
    for segment in segments:
        first, stop = segment.first, min(segment.stop, count)
        if first >= stop:
            break
        # Clipped to what is finite: -inf is kept for the dead.
        ranks = _products(segment, queries, stop - first)
        if alive is not None:
            ranks[:, np.flatnonzero(~alive[first:stop])] = -np.inf
        best, places = merge_best(best, places, ranks, first, wide)
    found = best > -np.inf
    return best_of(places, np.where(found, -best, np.inf), found, np.where(found, best, 0), k)
