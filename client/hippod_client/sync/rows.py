"""Rows: columnar writes, and reads by primary key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hippod_client import requests
from hippod_client.calls import DEFAULT, Progress, Timeout
from hippod_client.definitions import RemoteSource
from hippod_client.results import JobInfo, Rows, WriteResult
from hippod_client.sync.calls import Calls


class RowMethods(Calls):
    """Part of `Client`."""

    def insert(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        return self._call(requests.insert(self.database, table, rows), timeout)

    def upsert(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        return self._call(requests.upsert(self.database, table, rows), timeout)

    def update(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        return self._call(requests.update(self.database, table, rows), timeout)

    def delete(self, table: str, keys: object, *, timeout: Timeout = DEFAULT) -> WriteResult:
        return self._call(requests.delete(self.database, table, keys), timeout)

    def delete_by_query(self, table: str, filter: str, *, timeout: Timeout = DEFAULT) -> WriteResult:
        return self._call(requests.delete_by_query(self.database, table, filter), timeout)

    def get(self, table: str, keys: object, output_fields: Sequence[str] | None = None, *, timeout: Timeout = DEFAULT) -> Rows:
        return self._call(requests.get(self.database, table, keys, output_fields), timeout)

    def copy_by_query(
        self,
        table: str,
        to_table: str,
        filter: str = "",
        *,
        fields: Sequence[str] | None = None,
        to_fields: Sequence[str] | None = None,
        mode: str = "insert",
        to_database: str | None = None,
        remote: RemoteSource | None = None,
        wait: bool = True,
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> JobInfo:
        request = requests.copy_by_query(self.database, table, to_table, filter, fields, to_fields, mode, to_database, remote)
        return self._job(request, wait, progress, timeout)

    def delete_matching(
        self, table: str, filter: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        return self._job(requests.delete_matching(self.database, table, filter), wait, progress, timeout)
