"""Reading by condition and by likeness."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hippod_client import requests
from hippod_client.aio.calls import Calls
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.found_rows import MultiSearchResult
from hippod_client.results import Hits, Rows, SearchResult
from hippod_client.searches import PartialSearch


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

    async def hybrid_search(
        self,
        table: str,
        searches: Iterable[PartialSearch],
        limit: int = 10,
        *,
        offset: int = 0,
        fusion: str = "rrf",
        rank_constant: float = 60.0,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        timeout: Timeout = DEFAULT,
    ) -> SearchResult:
        """The `limit` best rows by 1 to 16 searches together, for each query; on any of the fields, each with as many query vectors.

        `fusion`: rrf adds up weight / (rank_constant + rank) of a row's hits; weighted adds up their scores times weight, each brought to
        0..1 by a formula of its metric; relative brings them to 0..1 between the worst and the best hit of each search. Scores are those
        sums, descending. All searches see the rows of one moment. `filter` is that of searches without one of their own. Raises as
        `search`, with the number of the search that is at fault.
        """
        request = requests.hybrid_search(self.database, table, searches, limit, offset, fusion, rank_constant, filter, output_fields)
        return await self._call(request, timeout)

    async def query_iter(
        self,
        table: str,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        *,
        page_size: int = 1_000,
        timeout: Timeout = DEFAULT,
    ) -> AsyncIterator[Rows]:
        """All rows that match `filter` (empty: all), in the order of their keys, in pages of `page_size` (up to 100,000).

        Each page is of the rows of its moment; a row that is there all the time comes exactly once. `timeout` is of each page. Raises as
        `query`.
        """
        after: str | None = None
        while True:
            request = requests.query_page(self.database, table, filter, output_fields, page_size, after)
            page = await self._call(request, timeout)
            if len(page.rows):
                yield page.rows
            if page.next is None:
                return
            after = page.next

    async def search_iter(
        self,
        table: str,
        vector: object,
        page_size: int = 1_000,
        *,
        field: str | None = None,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        index: str | None = None,
        params: Mapping[str, Any] | None = None,
        radius: float | None = None,
        timeout: Timeout = DEFAULT,
    ) -> AsyncIterator[Hits]:
        """All rows by likeness to one `vector` (dimension,), in pages of `page_size` (up to 10,000) that hold no row twice.

        The first page is that of `search`, the others rank exactly all that it left: their scores only get worse, but may begin with
        rows that the index had missed. Rows written after the beginning do not come; rows replaced or deleted before their page come no
        more. `timeout` is of each page. Raises as `search`.
        """
        after: str | None = None
        while True:
            request = requests.search_page(
                self.database, table, vector, page_size, field, filter, output_fields, index, params, radius, after
            )
            page = await self._call(request, timeout)
            if len(page.rows):
                yield page.rows
            if page.next is None:
                return
            after = page.next

    async def multi_search(
        self,
        pattern: str,
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
        timeout: Timeout = DEFAULT,
    ) -> MultiSearchResult:
        """The `k` nearest rows of each query vector over up to 64 tables that `pattern` means (names and aliases, `*`, commas).

        Tables without the field, or without an active index on it, are left out; the indexes must have one metric. `output_fields` None
        means the primary keys; a field that a table lacks is null in its rows. The rest as in `search`. Raises NotFound if no table can
        be searched, and as `search`.
        """
        request = requests.multi_search(self.database, pattern, vectors, k, field, filter, output_fields, index, params, offset, radius)
        return await self._call(request, timeout)

    async def distance(
        self, left: object, right: object, metric: str | None = None, *, timeout: Timeout = DEFAULT
    ) -> npt.NDArray[np.float32]:
        """The score of each left vector with each right one, float32 (left, right), as `search` scores: l2 squared (unless you
        say), ip or cosine of float vectors, hamming (unless you say) or jaccard of binary ones, ip of sparse ones.

        A side is vectors as `search` takes them, or `StoredVectors` of rows by their keys; each 1 to 10,000, together up to 1,000,000
        pairs. Raises NotFound for a key without a row, InvalidVector, TypeMismatch or LimitExceeded.
        """
        return await self._call(requests.distance(self.database, left, right, metric), timeout)
