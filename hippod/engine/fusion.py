"""From several rankings to one. Arrays in, arrays out.

Reciprocal rank fusion is that of Cormack, Clarke and Buettcher: Reciprocal Rank Fusion outperforms Condorcet and individual rank learning
methods, SIGIR 2009.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.index.exact import Hits
from hippod.engine.operations import Fusion, Metric

_Added = npt.NDArray[np.float64]


class WeightedHits(NamedTuple):
    """The ranking of one search: `hits` with addresses in place of slots, and what its scores mean. `bits`: dimension of a binary field."""

    hits: Hits
    metric: Metric
    bits: int
    weight: float


class Fused(NamedTuple):
    """The fused ranking of all queries, one after the other: `counts` int32 (queries,), the rest (rows,), best first."""

    counts: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    addresses: npt.NDArray[np.int64]


def fused(parts: Sequence[WeightedHits], fusion: Fusion, rank_constant: float, offset: int, limit: int) -> Fused:
    """The best rows of each query by all parts together, from `offset` to `offset + limit`. Of equal scores, those of earlier parts and
    ranks come first."""
    added = [_added(part, fusion, rank_constant) for part in parts]
    kept = [np.arange(part.hits.slots.shape[1]) < part.hits.counts[:, None] for part in parts]
    queries = np.concatenate([np.nonzero(mask)[0] for mask in kept])
    addresses = np.concatenate([part.hits.slots[mask] for part, mask in zip(parts, kept, strict=True)])
    values = np.concatenate([value[mask] for value, mask in zip(added, kept, strict=True)])
    total = 1.0 if fusion is Fusion.RRF else sum(part.weight for part in parts)
    found = len(parts[0].hits.counts)
    if not len(queries):
        return Fused(np.zeros(found, np.int32), np.empty(0, np.float32), addresses)
    # Hits of the same row and query come to lie side by side, those of earlier parts first: the sort is stable.
    order = np.lexsort((addresses, queries))
    begins = np.flatnonzero(np.diff(queries[order], prepend=-1).astype(np.bool_) | np.diff(addresses[order], prepend=-1).astype(np.bool_))
    scores = np.add.reduceat(values[order], begins) / total
    first = order[begins]
    best = np.lexsort((first, -scores, queries[first]))
    first, scores = first[best], scores[best]
    rows = np.bincount(queries[first], minlength=found)
    rank = np.arange(len(first)) - np.repeat(np.cumsum(rows) - rows, rows)
    shown = (rank >= offset) & (rank < offset + limit)
    counts = np.clip(rows - offset, 0, limit).astype(np.int32)
    return Fused(counts, scores[shown].astype(np.float32), addresses[first[shown]])


def _added(part: WeightedHits, fusion: Fusion, rank_constant: float) -> _Added:
    """What each hit adds to the score of its row, (queries, k); behind `counts` without meaning."""
    scores = part.hits.scores.astype(np.float64)
    if fusion is Fusion.RRF:
        return np.broadcast_to(part.weight / (rank_constant + 1 + np.arange(scores.shape[1])), scores.shape)
    if fusion is Fusion.RELATIVE:
        return part.weight * _relative(scores, part.hits.counts)
    return part.weight * _NORMALISED[part.metric](scores, part.bits)


def _relative(scores: _Added, counts: npt.NDArray[np.int32]) -> _Added:
    """1 for the best hit of a query, 0 for its worst; 1 for all where they score the same."""
    if not scores.shape[1]:
        return scores
    best, worst = scores[:, :1], np.take_along_axis(scores, np.maximum(counts - 1, 0)[:, None].astype(np.intp), axis=1)
    width = best - worst
    return np.where(width == 0, 1.0, (scores - worst) / np.where(width == 0, 1.0, width))


# Every one falls with the distance and rises with the similarity, whose values it brings to 0..1.
_NORMALISED: Final[dict[Metric, Callable[[_Added, int], _Added]]] = {
    Metric.L2: lambda scores, _bits: 1 / (1 + np.maximum(scores, 0)),
    Metric.IP: lambda scores, _bits: 0.5 + np.arctan(scores) / np.pi,
    Metric.COSINE: lambda scores, _bits: (1 + scores) / 2,
    Metric.HAMMING: lambda scores, bits: 1 - scores / bits,
    Metric.JACCARD: lambda scores, _bits: 1 - scores,
}
