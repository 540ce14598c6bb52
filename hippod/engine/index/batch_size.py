"""How many queries a host answers in one call.

Few keep server, host and clients busy beside each other while each waits for the others as long. Where the index takes most of the
time, they idle anyway, and more queries in a call share more: of 1,000,000 x 128, IVF_FLAT took 376 us for each of 16, 277 us of 100.
"""

from __future__ import annotations

from typing import Final

from hippod.engine.index.protocol import BATCH_QUERIES_MAX

_LONG_BATCH_QUERIES: Final = 2 * BATCH_QUERIES_MAX
# More than server and client take for a query.
_LONG_QUERY_S: Final = 0.00015
_NEWEST_WEIGHT: Final = 0.1


class BatchSize:
    """`queries`: the most that go into the next call."""

    def __init__(self) -> None:
        self.queries = BATCH_QUERIES_MAX
        self._query_s = 0.0

    def took(self, queries: int, seconds: float) -> None:
        """A call has answered so many in so long. Those of few queries tell nothing: each of them takes longer."""
        if queries < BATCH_QUERIES_MAX:
            return
        self._query_s += (seconds / queries - self._query_s) * _NEWEST_WEIGHT
        self.queries = _LONG_BATCH_QUERIES if self._query_s > _LONG_QUERY_S else BATCH_QUERIES_MAX
