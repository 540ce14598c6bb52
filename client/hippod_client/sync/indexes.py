"""Vector indexes and their life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hippod_client import requests
from hippod_client.calls import DEFAULT, Progress, Timeout
from hippod_client.definitions import ScalarIndexInfo
from hippod_client.recall import RecallInfo
from hippod_client.results import IndexInfo, JobInfo
from hippod_client.sync.calls import Calls


class IndexMethods(Calls):
    """Part of `Client`."""

    def create_index(
        self,
        table: str,
        index: str,
        field: str,
        *,
        type: str = "AUTO",
        metric: str | None = None,
        params: Mapping[str, Any] | None = None,
        timeout: Timeout = DEFAULT,
    ) -> None:
        self._call(requests.create_index(self.database, table, index, field, type, metric, params), timeout)

    def activate_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        return self._job(requests.activate_index(self.database, table, index, wait=False), wait, progress, timeout)

    def rebuild_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        return self._job(requests.rebuild_index(self.database, table, index, wait=False), wait, progress, timeout)

    def compact_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        return self._job(requests.compact_index(self.database, table, index, wait=False), wait, progress, timeout)

    def set_auto_compaction(self, table: str, index: str, enabled: bool, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.set_auto_compaction(self.database, table, index, enabled), timeout)

    def load_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        return self._job(requests.load_index(self.database, table, index, wait=False), wait, progress, timeout)

    def release_index(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.release_index(self.database, table, index), timeout)

    def drop_index(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_index(self.database, table, index), timeout)

    def list_indexes(self, table: str, *, timeout: Timeout = DEFAULT) -> list[IndexInfo]:
        return self._call(requests.list_indexes(self.database, table), timeout)

    def describe_recall(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> RecallInfo:
        return self._call(requests.describe_recall(self.database, table, index), timeout)

    def create_scalar_index(self, table: str, index: str, fields: Sequence[str], *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.create_scalar_index(self.database, table, index, fields), timeout)

    def drop_scalar_index(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_scalar_index(self.database, table, index), timeout)

    def list_scalar_indexes(self, table: str, *, timeout: Timeout = DEFAULT) -> list[ScalarIndexInfo]:
        return self._call(requests.list_scalar_indexes(self.database, table), timeout)
