"""Looking after tables."""

from __future__ import annotations

from collections.abc import Sequence

from hippod_client import requests
from hippod_client.calls import DEFAULT, Progress, Timeout
from hippod_client.definitions import TabletStatistics
from hippod_client.results import JobInfo
from hippod_client.sync.calls import Calls


class MaintenanceMethods(Calls):
    """Part of `Client`."""

    def analyze_table(
        self,
        table: str,
        fields: Sequence[str] = (),
        *,
        refresh: bool = False,
        wait: bool = True,
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> JobInfo:
        return self._job(requests.analyze_table(self.database, table, fields, refresh), wait, progress, timeout)

    def get_statistics(self, table: str, fields: Sequence[str] = (), *, timeout: Timeout = DEFAULT) -> list[TabletStatistics]:
        return self._call(requests.get_statistics(self.database, table, fields), timeout)

    def warm_up_table(self, table: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None) -> JobInfo:
        return self._job(requests.warm_up_table(self.database, table), wait, progress, timeout)

    def compact_table(self, table: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None) -> JobInfo:
        return self._job(requests.compact_table(self.database, table), wait, progress, timeout)

    def drop_caches(self, *, indexes: bool = False, timeout: Timeout = DEFAULT) -> None:
        self._call(requests.drop_caches(indexes), timeout)
