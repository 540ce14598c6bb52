"""Reading by condition and by likeness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hippod_client import requests
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.found_rows import MultiSearchResult
from hippod_client.results import Hits, Rows, SearchResult
from hippod_client.searches import PartialSearch
from hippod_client.sync.calls import Calls


class SearchMethods(Calls):
    """Part of `Client`."""

    def query(
        self,
        table: str,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        *,
        limit: int = 1_000,
        offset: int = 0,
        timeout: Timeout = DEFAULT,
    ) -> Rows:
        return self._call(requests.query(self.database, table, filter, output_fields, limit, offset), timeout)

    def count(self, table: str, filter: str = "", *, timeout: Timeout = DEFAULT) -> int:
        return self._call(requests.count(self.database, table, filter), timeout)

    def search(
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
        request = requests.search(
            self.database, table, vectors, k, field, filter, output_fields, index, params, offset, radius, group_by, group_size
        )
        return self._call(request, timeout)

    def hybrid_search(
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
        request = requests.hybrid_search(self.database, table, searches, limit, offset, fusion, rank_constant, filter, output_fields)
        return self._call(request, timeout)

    def query_iter(
        self,
        table: str,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        *,
        page_size: int = 1_000,
        timeout: Timeout = DEFAULT,
    ) -> Iterator[Rows]:
        after: str | None = None
        while True:
            request = requests.query_page(self.database, table, filter, output_fields, page_size, after)
            page = self._call(request, timeout)
            if len(page.rows):
                yield page.rows
            if page.next is None:
                return
            after = page.next

    def search_iter(
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
    ) -> Iterator[Hits]:
        after: str | None = None
        while True:
            request = requests.search_page(
                self.database, table, vector, page_size, field, filter, output_fields, index, params, radius, after
            )
            page = self._call(request, timeout)
            if len(page.rows):
                yield page.rows
            if page.next is None:
                return
            after = page.next

    def multi_search(
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
        request = requests.multi_search(self.database, pattern, vectors, k, field, filter, output_fields, index, params, offset, radius)
        return self._call(request, timeout)

    def distance(self, left: object, right: object, metric: str | None = None, *, timeout: Timeout = DEFAULT) -> npt.NDArray[np.float32]:
        return self._call(requests.distance(self.database, left, right, metric), timeout)
