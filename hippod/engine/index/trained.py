"""The part of an index that a host serves: a trained index, the fresh rows beside it, and the dead it still holds.

A row is in one of four places: unknown (never given, or deleted), fresh (searched exactly beside the index), absorbed (in
it, living) or doomed (in it, dead: masked in every answer until it is deleted). Giving and removing rows is cheap
and takes effect at once; moving fresh rows into the index and deleting doomed ones is `work`, done in small bounded
steps between searches, because an index is not searched while it changes. Where an index cannot delete, the doomed stay masked.

Runs in one thread of a host, but for what `begin` returns; nothing here knows sockets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.index.exact import Hits, Mask, Terms, best_of, search_exactly
from hippod.engine.index.exact_binary import search_binary
from hippod.engine.index.known_filters import matching
from hippod.engine.index.point_index import PointIndex
from hippod.engine.index.rescore import Rescorer
from hippod.engine.index.vectors import Slots, Vectors, VectorSource
from hippod.engine.operations.indexes import Metric

_STEP_ROWS_FIRST: Final = 32
_STEP_ROWS_MAX: Final = 8_192
_SPARE: Final = 16
_SPARE_MAX: Final = 1_024


class _Candidates(NamedTuple):
    """Of each query: slots int64 (nq, n) and what the index says of them, scores float32 (nq, n); the `valid` of them (None: the best k in
    order, all exact), of which `counts` int32 (nq,) are wanted. All lie below slot `rows`."""

    slots: Slots
    scores: npt.NDArray[np.float32]
    valid: Mask | None
    counts: npt.NDArray[np.int32]
    rows: int


class TrainedPart:
    """Rows by slot over one index, whose position i holds slot `slots[i]`."""

    def __init__(self, vectors: VectorSource, metric: Metric, index: PointIndex, slots: Slots) -> None:
        """Slots may be -1 for positions whose rows are gone: they are deleted before this returns, or masked."""
        self._vectors = vectors
        self._metric = metric
        self._index = index
        self._slots = np.array(slots, np.int64)
        self._size = len(slots)
        top = int(slots.max(initial=-1)) + 1
        self._place: npt.NDArray[np.int64] = np.full(top, -1, np.int64)
        self._is_fresh: Mask = np.zeros(top, np.bool_)
        self._is_doomed: Mask = np.zeros(top, np.bool_)
        self._fresh: list[Slots] = []
        self._doomed: list[Slots] = []
        self.fresh_count = 0
        self.doomed_count = 0
        self._terms: Terms | None = None
        self._rates = {"absorb": 4_000.0, "delete": 50_000.0}
        self._rescorer = None if index.is_exact else Rescorer(vectors, metric)
        held = self._slots >= 0
        self._place[self._slots[held]] = np.flatnonzero(held)
        if index.can_delete:
            self._delete_positions(np.flatnonzero(~held))
        else:
            self.doomed_count = self._size - int(np.count_nonzero(held))

    @property
    def size(self) -> int:
        """Living rows in the trained index."""
        return self._size - self.doomed_count

    @property
    def scores_candidates(self) -> bool:
        """Whether a search scores what the index found by the vectors themselves."""
        return self._rescorer is not None

    @property
    def has_work(self) -> bool:
        return self.waiting_count > 0

    @property
    def waiting_count(self) -> int:
        """Rows that `work` is there for."""
        return self.fresh_count + self._deletable_count

    @property
    def _deletable_count(self) -> int:
        return self.doomed_count if self._index.can_delete else 0

    def add(self, slots: Slots) -> None:
        """Rows to find from now on; those already held are ignored."""
        if not len(slots):
            return
        self._reserve(int(slots.max()) + 1)
        new = slots[(self._place[slots] < 0) & ~self._is_fresh[slots]]
        self._is_fresh[new] = True
        self._fresh.append(new)
        self.fresh_count += len(new)
        if len(new) and (self._terms is None or int(new.min()) < self._terms.first) and not self._metric.is_binary:
            self._terms = Terms(self._vectors, self._metric, int(new.min()))

    def remove(self, slots: Slots) -> None:
        """Rows not to find from now on; those not held are ignored."""
        slots = slots[slots < len(self._place)]
        fresh = slots[self._is_fresh[slots]]
        self._is_fresh[fresh] = False
        self.fresh_count -= len(fresh)
        doomed = slots[(self._place[slots] >= 0) & ~self._is_doomed[slots]]
        self._is_doomed[doomed] = True
        self._doomed.append(doomed)
        self.doomed_count += len(doomed)

    def search(self, queries: Vectors, k: int, effort: int, reorder: int) -> tuple[Hits, bool]:
        """The k best of each query, and whether some query got fewer although more live (ask elsewhere, exactly)."""
        return self.begin(queries, k, effort, reorder)()

    def begin(self, queries: Vectors, k: int, effort: int, reorder: int) -> Callable[[], tuple[Hits, bool]]:
        """What ends such a search, and has nothing to do with the index any more: any thread may call it, whatever changes meanwhile.

        Where candidates are scored exactly, it does that, unless more must be looked for.
        """
        spare = min(self.doomed_count, k + _SPARE)
        found = self._find(queries, k, effort, reorder, spare)
        if not self.fresh_count and int(np.minimum.reduce(found.counts)) >= min(k, self.size):
            return lambda: (self._score(queries, k, found), False)
        answer = self._complete(queries, k, effort, reorder, spare, self._score(queries, k, found))
        return lambda: answer

    def _complete(self, queries: Vectors, k: int, effort: int, reorder: int, spare: int, trained: Hits) -> tuple[Hits, bool]:
        """Look further for those of whom too few were found, and among the fresh."""
        want, spare_max = min(k, self.size), min(self.doomed_count, _SPARE_MAX)
        while np.minimum.reduce(trained.counts) < want and (effort < self._index.effort_max or spare < spare_max):
            effort, spare = min(self._index.effort_max, effort * 4), min(spare_max, spare * 4)
            lacking = np.flatnonzero(trained.counts < want)
            more = self._search_trained(queries[lacking], k, effort, reorder, spare)
            trained.slots[lacking], trained.scores[lacking], trained.counts[lacking] = more
        hits = self._with_fresh(queries, k, trained) if self.fresh_count else trained
        return hits, bool(np.minimum.reduce(hits.counts) < min(k, self.size + self.fresh_count))

    def search_matching(self, queries: Vectors, k: int, effort: int, reorder: int, depth: int, mask: Mask) -> Hits:
        """The k best of each query that match: of the `depth` nearest rows that a search with this tuning finds, those in `mask` (bool, by
        slot; rows above it do not match), and of the fresh rows all. Perhaps fewer than k although more match.

        No row below that depth is taken, although an engine could look for matches alone: its tuning was measured for so many rows. Where
        matches are far from a query, a graph of 20,000 package descriptions that only collected those of one section had ten for nearly all
        queries, 0.86 of them the right ones. Within the depth 0.99 of what it found was right, and who lacked some was known.
        """
        deep = self._search_trained(queries, depth, effort, reorder, min(self.doomed_count, k + _SPARE))
        valid = (np.arange(deep.slots.shape[1]) < deep.counts[:, None]) & matching(mask, deep.slots)
        hits = best_of(deep.slots, self._order(deep.scores, valid), valid, deep.scores, k)
        return self._with_fresh(queries, k, hits, mask) if self.fresh_count else hits

    def work(self, budget_s: float) -> None:
        """One step of absorbing or deleting that takes about `budget_s`."""
        task = "delete" if self._deletable_count else "absorb"
        rows = max(1, min(_STEP_ROWS_MAX, int(self._rates[task] * budget_s)))
        started = time.perf_counter()
        done = self._delete_some(rows) if task == "delete" else self._absorb_some(rows)
        if done >= _STEP_ROWS_FIRST:
            rate = done / max(1e-6, time.perf_counter() - started)
            self._rates[task] = 0.5 * self._rates[task] + 0.5 * rate

    def save(self, directory: Path) -> Slots:
        """Write the trained index into `directory` and return the slots of its positions, -1 for the dead."""
        self._index.save(directory)
        slots = self._slots[: self._size].copy()
        slots[(slots >= 0) & self._is_doomed[slots]] = -1
        return slots

    def renew(self, index: PointIndex) -> None:
        """Serve the points from another index that holds the same, such as the one that `save` wrote."""
        self._index = index

    def _search_trained(self, queries: Vectors, k: int, effort: int, reorder: int, spare: int) -> Hits:
        """The k best living of the trained rows; `spare` more are looked at because of the dead among them."""
        return self._score(queries, k, self._find(queries, k, effort, reorder, spare))

    def _find(self, queries: Vectors, k: int, effort: int, reorder: int, spare: int) -> _Candidates:
        """What the index finds."""
        wide = min(k + spare, max(1, self._size))
        if self._rescorer is not None:
            wide = min(max(reorder, wide), max(1, self._size))
        positions, scores, counts = self._index.search(queries, wide, effort, max(reorder, wide))
        slots = self._slots.take(positions)
        if not self.doomed_count and wide == k and self._rescorer is None:
            return _Candidates(slots, scores, None, counts, 0)
        valid = np.arange(wide) < counts[:, None]
        if self.doomed_count:
            valid &= (slots >= 0) & ~self._is_doomed[slots]
            np.maximum(slots, 0, out=slots)
        return _Candidates(slots, scores, valid, np.minimum(np.add.reduce(valid, axis=1, dtype=np.int32), np.int32(k)), len(self._place))

    def _score(self, queries: Vectors, k: int, found: _Candidates) -> Hits:
        """The k best of the candidates. Any thread may call it."""
        if found.valid is None:
            return Hits(found.slots, found.scores, found.counts)
        scores = found.scores if self._rescorer is None else self._rescorer.scores(queries, found.slots, found.rows)
        return best_of(found.slots, self._order(scores, found.valid), found.valid, scores, k)

    def _with_fresh(self, queries: Vectors, k: int, trained: Hits, mask: Mask | None = None) -> Hits:
        self._compact_fresh()
        fresh = self._fresh[0]
        if mask is not None:
            fresh = fresh[matching(mask, fresh)]
            if not len(fresh):
                return trained
        low, high = int(fresh[0]), int(fresh[-1]) + 1
        rows = self._vectors.view(high)
        if high - low <= 2 * len(fresh) and mask is None:
            alive = None if high - low == self.fresh_count else self._is_fresh[:high]
            found = self._search_fresh(rows, queries, k, None, alive, low)
        else:
            found = self._search_fresh(rows, queries, k, fresh, self._is_fresh, 0)
        slots = np.concatenate((trained.slots, found.slots), axis=1)
        scores = np.concatenate((trained.scores, found.scores), axis=1)
        place = np.arange(k)
        valid = np.concatenate((place < trained.counts[:, None], place < found.counts[:, None]), axis=1)
        return best_of(slots, self._order(scores, valid), valid, scores, k)

    def _search_fresh(self, rows: Vectors, queries: Vectors, k: int, slots: Slots | None, alive: Mask | None, first: int) -> Hits:
        if self._metric.is_binary:
            return search_binary(rows, self._metric, queries, k, slots=slots, alive=alive, first=first)
        assert self._terms is not None
        return search_exactly(rows, self._terms, queries, k, slots=slots, alive=alive, first=first)

    def _order(self, scores: npt.NDArray[np.float32], valid: Mask) -> npt.NDArray[np.float32]:
        return np.where(valid, scores if self._metric.is_distance else -scores, np.float32(np.inf))

    def _compact_fresh(self) -> None:
        """Bring the fresh rows into one ascending array without the dead, unless they are."""
        if len(self._fresh) == 1 and len(self._fresh[0]) == self.fresh_count:
            return
        fresh = np.concatenate(self._fresh)
        self._fresh = [np.sort(fresh[self._is_fresh[fresh]])]

    def _absorb_some(self, rows: int) -> int:
        self._compact_fresh()
        taken, rest = self._fresh[0][:rows], self._fresh[0][rows:]
        self._fresh = [rest]
        self._index.append(self._vectors.view(int(taken[-1]) + 1)[taken])
        size = self._size + len(taken)
        if size > len(self._slots):
            self._slots = np.concatenate((self._slots[: self._size], np.empty(max(1_024, size), np.int64)))
        self._slots[self._size : size] = taken
        self._place[taken] = np.arange(self._size, size)
        self._is_fresh[taken] = False
        self._size = size
        self.fresh_count -= len(taken)
        if not self.fresh_count:
            self._fresh, self._terms = [], None
        return len(taken)

    def _delete_some(self, rows: int) -> int:
        doomed = np.concatenate(self._doomed)
        taken, rest = doomed[:rows], doomed[rows:]
        self._doomed = [rest]
        self._delete_positions(self._place[taken])
        self._place[taken] = -1
        self._is_doomed[taken] = False
        self.doomed_count -= len(taken)
        return len(taken)

    def _delete_positions(self, positions: Slots) -> None:
        """Delete points, the highest position first: what then moves into a hole is never itself about to be deleted."""
        order: list[int] = np.sort(positions)[::-1].tolist()
        for hole in order:
            self._size -= 1
            moved = int(self._slots[self._size])
            if hole != self._size:
                self._slots[hole] = moved
                self._place[moved] = hole
        if order:
            self._index.delete(order)

    def _reserve(self, slots: int) -> None:
        if slots <= len(self._place):
            return
        extra = max(slots, 2 * len(self._place)) - len(self._place)
        self._place = np.concatenate((self._place, np.full(extra, -1, np.int64)))
        self._is_fresh = np.concatenate((self._is_fresh, np.zeros(extra, np.bool_)))
        self._is_doomed = np.concatenate((self._is_doomed, np.zeros(extra, np.bool_)))
