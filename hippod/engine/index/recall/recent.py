"""The queries that come: a sample of the last ones, in memory, to measure with what is really asked."""

from __future__ import annotations

import random
from typing import Final

import numpy as np

from hippod.engine.index.vectors import Vectors

_KEPT_MAX: Final = 1_024
# Fewer say less than rows in their place.
QUERIES_MIN: Final = 320
_BYTES_MAX: Final = 32 << 20
# Of what comes after as many as there are places, one in so many: the sample then is of the last few thousand searches.
_ONE_IN: Final = 8


class RecentQueries:
    """Owned by a RecallKeeper. A new query takes the place of any: old ones fade away, as do the times that they were asked in
    (Aggarwal 2006, biased reservoir sampling). What is asked again and again has one place: the same query a hundred times says no more
    of others than once."""

    def __init__(self) -> None:
        self._places = _KEPT_MAX
        self._queries: Vectors | None = None
        self._hashes: list[int] = []
        self._known: set[int] = set()
        self._seen = 0
        self._random = random.Random()  # a sample, no secret

    @property
    def count(self) -> int:
        return len(self._hashes)

    def add(self, queries: Vectors) -> None:
        """Perhaps keep one of `queries`, any of them, which are as the rows are: float32 (nq, dimension), or uint8 (nq, dimension / 8)."""
        if self._queries is None:
            self._places = max(QUERIES_MIN, min(_KEPT_MAX, _BYTES_MAX // queries[0].nbytes))
        self._seen += 1
        if self._seen > self._places and self._seen % _ONE_IN:
            return
        query = queries[0] if len(queries) == 1 else queries[self._random.randrange(len(queries))]
        key = hash(query.tobytes())
        if key in self._known:
            return
        self._known.add(key)
        place = self.count
        if place < self._places:
            self._hashes.append(key)
        else:
            place = self._random.randrange(self._places)
            self._known.remove(self._hashes[place])
            self._hashes[place] = key
        self._room_for(place, query)[place] = query

    def draw(self, count: int) -> Vectors:
        """Up to `count` of them (n, d), in no order; there must be some."""
        assert self._queries is not None
        return self._queries[self._random.sample(range(self.count), min(count, self.count))]

    def _room_for(self, place: int, query: Vectors) -> Vectors:
        if self._queries is None or place >= len(self._queries):
            grown: Vectors = np.empty((min(self._places, max(64, 2 * place)), len(query)), query.dtype)
            if self._queries is not None:
                grown[: len(self._queries)] = self._queries
            self._queries = grown
        return self._queries
