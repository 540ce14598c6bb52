"""Exact nearest binary vectors, over all living slots or a given set of them.

    HAMMING  |a xor b|
    JACCARD  1 - |a and b| / |a or b|, where |a or b| = |a| + |b| - |a and b|; 0 where neither has a bit

Both ascend. faiss, which counts the bits of a row in registers and keeps the k nearest in a heap as it goes, finds by HAMMING; JACCARD,
which it does not know, is scored by numpy: a chunk of rows is turned word by word, so that each step is one pass over contiguous
memory. Memory is bounded by the constants below, whatever the number of rows and queries.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hippod.engine.index.exact import Hits, Mask, Scores, best_of, merge_best
from hippod.engine.index.vectors import Slots, Vectors, VectorSource
from hippod.engine.operations.indexes import Metric

_QUERIES_AT_ONCE: Final = 64
_SCORES_AT_ONCE: Final = 1 << 20
_BYTES_AT_ONCE: Final = 1 << 22
_WORDS: Final = (np.dtype(np.uint64), np.dtype(np.uint32), np.dtype(np.uint16), np.dtype(np.uint8))


class BinarySearch:
    """Exact search over one binary field, see `exact.ExactSearch`."""

    threads_max = 2

    def __init__(self, vectors: VectorSource, metric: Metric) -> None:
        self._vectors = vectors
        self._metric = metric

    def search(self, count: int, queries: Vectors, k: int, slots: Slots | None, alive: Mask | None) -> Hits:
        return search_binary(self._vectors.view(count), self._metric, queries, k, slots=slots, alive=alive)


def search_binary(
    rows: Vectors, metric: Metric, queries: Vectors, k: int, *, slots: Slots | None = None, alive: Mask | None = None, first: int = 0
) -> Hits:
    """The k nearest of `slots` (or of slots first..len(rows)-1) that are `alive` (None: all are), for queries (nq, width)."""
    search = _nearest_by_hamming if metric is Metric.HAMMING else _nearest_by_jaccard
    parts = [search(rows, queries[at : at + _QUERIES_AT_ONCE], k, slots, alive, first) for at in range(0, len(queries), _QUERIES_AT_ONCE)]
    return Hits.joined(parts)


def _nearest_by_hamming(rows: Vectors, queries: Vectors, k: int, slots: Slots | None, alive: Mask | None, first: int) -> Hits:
    if slots is None:
        hits = _scan(rows[first:], queries, k, None if alive is None else alive[first : len(rows)])
        return hits._replace(slots=hits.slots + first)
    slots = slots if alive is None else slots[alive[slots]]
    step = max(256, _BYTES_AT_ONCE // rows.shape[1])
    hits = _scan_at(rows, slots[:step], queries, k)
    for start in range(step, len(slots), step):
        more = _scan_at(rows, slots[start : start + step], queries, k)
        valid = np.concatenate([np.arange(k) < part.counts[:, None] for part in (hits, more)], axis=1)
        scores = np.concatenate((hits.scores, more.scores), axis=1)
        hits = best_of(np.concatenate((hits.slots, more.slots), axis=1), np.where(valid, scores, np.inf), valid, scores, k)
    return hits


def _scan_at(rows: Vectors, slots: Slots, queries: Vectors, k: int) -> Hits:
    """The k nearest of the rows at `slots`, which are copied."""
    hits = _scan(rows[slots], queries, k, None)
    return hits._replace(slots=slots[hits.slots]) if len(slots) else hits


def _scan(rows: Vectors, queries: Vectors, k: int, shown: Mask | None) -> Hits:
    """The k nearest of `rows` that are `shown`, by HAMMING; the slots are places in `rows`."""
    # Loaded by the first search: most servers have no binary vectors.
    import faiss

    rows, queries = np.ascontiguousarray(rows), np.ascontiguousarray(queries)
    places, distance = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.int32)
    heap = faiss.int_maxheap_array_t()
    heap.nh, heap.k, heap.ids, heap.val = len(queries), k, faiss.swig_ptr(places), faiss.swig_ptr(distance)
    bits = None if shown is None else np.packbits(shown, bitorder="little")
    chosen = None if bits is None else faiss.IDSelectorBitmap(len(rows), faiss.swig_ptr(bits))
    faiss.omp_set_num_threads(1)
    faiss.hammings_knn_hc(heap, faiss.swig_ptr(queries), faiss.swig_ptr(rows), len(rows), rows.shape[1], 1, faiss.EXACT_TOPK, chosen)
    found = places >= 0
    return Hits(np.where(found, places, 0), np.where(found, distance, 0).astype(np.float32), found.sum(axis=1, dtype=np.int32))


def _nearest_by_jaccard(rows: Vectors, queries: Vectors, k: int, slots: Slots | None, alive: Mask | None, first: int) -> Hits:
    count, start_at = (len(rows), first) if slots is None else (len(slots), 0)
    step = max(256, min(_SCORES_AT_ONCE // len(queries), _BYTES_AT_ONCE // rows.shape[1]))
    wide = min(k, count - start_at)
    best: Scores = np.empty((len(queries), 0), np.float32)
    places: Slots = np.empty((len(queries), 0), np.int64)
    for start in range(start_at, count, step):
        taken: slice | Slots = slice(start, min(count, start + step)) if slots is None else slots[start : start + step]
        ranks = -distances(rows[taken], queries, Metric.JACCARD)
        if alive is not None:
            ranks[:, np.flatnonzero(~alive[taken])] = -np.inf
        best, places = merge_best(best, places, ranks, start, wide)
    found = np.isfinite(best)
    return best_of(places if slots is None else slots[places], np.where(found, -best, np.inf), found, np.where(found, -best, 0), k)


def distances(rows: Vectors, queries: Vectors, metric: Metric) -> Scores:
    """float32 (queries, rows): the distance of each row (n, width) to each query (nq, width), uint8."""
    word = next(w for w in _WORDS if rows.shape[1] % w.itemsize == 0)
    columns = np.ascontiguousarray(np.ascontiguousarray(rows).view(word).T)
    wanted = np.ascontiguousarray(queries).view(word)
    out = np.empty((len(queries), len(rows)), np.float32)
    row_bits = _bits(columns) if metric is Metric.JACCARD else None
    for number, query in enumerate(wanted):
        if row_bits is None:
            out[number] = _bits(np.bitwise_xor(columns, query[:, None]))
            continue
        common = _bits(np.bitwise_and(columns, query[:, None]))
        union = row_bits + int(np.bitwise_count(query).sum(dtype=np.int64)) - common
        out[number] = 1 - np.divide(common, union, out=np.ones(len(rows)), where=union > 0)
    return out


def _bits(columns: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """int32 (n,): the bits set in each row, whose words lie in `columns` (words, n)."""
    bits: npt.NDArray[np.int32] = np.bitwise_count(columns).sum(axis=0, dtype=np.int32)
    return bits
