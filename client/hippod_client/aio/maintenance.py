"""Looking after tables."""

from __future__ import annotations

from collections.abc import Sequence

from hippod_client import requests
from hippod_client.aio.calls import Calls
from hippod_client.calls import DEFAULT, Progress, Timeout
from hippod_client.definitions import TabletStatistics
from hippod_client.results import JobInfo


class MaintenanceMethods(Calls):
    """Part of `Client`."""

    async def analyze_table(
        self,
        table: str,
        fields: Sequence[str] = (),
        *,
        refresh: bool = False,
        wait: bool = True,
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> JobInfo:
        """Compute statistics of fields (none given: all), in a job, for `get_statistics`.

        Tablets that have not changed since the last time keep theirs, unless `refresh`. Waits as `activate_index`. Raises FieldNotFound."""
        return await self._job(requests.analyze_table(self.database, table, fields, refresh), wait, progress, timeout)

    async def get_statistics(self, table: str, fields: Sequence[str] = (), *, timeout: Timeout = DEFAULT) -> list[TabletStatistics]:
        """What `analyze_table` found, by tablet. Raises WrongState if it has not run since the server started."""
        return await self._call(requests.get_statistics(self.database, table, fields), timeout)

    async def warm_up_table(
        self, table: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """Read all vectors and columns once, in a job, so that the next searches find them in memory. Waits as `activate_index`."""
        return await self._job(requests.warm_up_table(self.database, table), wait, progress, timeout)

    async def compact_table(
        self, table: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """Rewrite stored blocks that have dead rows, in a job; `rows` of the result counts the dead that went. Waits as
        `activate_index`."""
        return await self._job(requests.compact_table(self.database, table), wait, progress, timeout)

    async def drop_caches(self, *, indexes: bool = False, timeout: Timeout = DEFAULT) -> None:
        """Forget results of filters of all tables and cached pages of the store; with `indexes` those of index and vector files too."""
        await self._call(requests.drop_caches(indexes), timeout)
