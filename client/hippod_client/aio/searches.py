"""Reading by condition and by likeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hippod_client import requests
from hippod_client.aio.calls import Calls
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.results import Rows, SearchResult


class SearchMethods(Calls):
    """Part of `Client`."""

    async def query(
        self,
        table: str,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        *,
        limit: int = 1_000,
        offset: int = 0,
        timeout: Timeout = DEFAULT,
    ) -> Rows:
        """Rows that match `filter` (empty: all), in the order of their keys. `output_fields` None means all scalar fields.

        `limit` is at most 100,000. Raises FilterError, FieldNotFound or LimitExceeded.
        """
        return await self._call(requests.query(self.database, table, filter, output_fields, limit, offset), timeout)

    async def count(self, table: str, filter: str = "", *, timeout: Timeout = DEFAULT) -> int:
        """How many rows match `filter` (empty: all)."""
        return await self._call(requests.count(self.database, table, filter), timeout)

    async def search(
        self,
        table: str,
        vectors: object,
        k: int = 10,
        *,
        field: str | None = None,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        index: str | None = None,
        params: Mapping[str, Any] | None = None,
        offset: int = 0,
        radius: float | None = None,
        group_by: str | None = None,
        group_size: int = 1,
        timeout: Timeout = DEFAULT,
    ) -> SearchResult:
        """The `k` nearest rows (1 to 10,000) of each query vector: `vectors` is (queries, dimension), or (dimension,) for one.

        `filter` restricts the rows; fewer than k come back only if fewer match. `field` may be left out if the table has one vector
        field; `index` names one of several. `params`: recall, the mean recall promised (0.5 to 0.999); or instead of it nprobe (leaves to
        visit) and reorder (candidates scored exactly) of partitioned indexes, ef_search of graphs.
        `output_fields` come beside the primary key. `offset` leaves out the best hits, `radius` those that score worse: a greatest
        squared distance for l2, a least similarity for ip and cosine. With `group_by`, a scalar field, k and offset count groups of rows
        that are equal in it; each brings its best `group_size` rows, one after the other. Raises InvalidVector, FilterError,
        IndexNotFound, WrongState (no active index), Rejected, LimitExceeded or RetryLater.
        """
        request = requests.search(
            self.database, table, vectors, k, field, filter, output_fields, index, params, offset, radius, group_by, group_size
        )
        return await self._call(request, timeout)
