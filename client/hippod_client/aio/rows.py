"""Rows: columnar writes, and reads by primary key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hippod_client import requests
from hippod_client.aio.calls import Calls
from hippod_client.calls import DEFAULT, Progress, Timeout
from hippod_client.definitions import RemoteSource
from hippod_client.results import JobInfo, Rows, WriteResult


class RowMethods(Calls):
    """Part of `Client`."""

    async def insert(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        """Add rows, given in columns: field -> one entry a row. At most 100,000 rows and 15 MiB.

        Vectors are arrays (rows, dimension), converted to float32; the rest are arrays or lists, None for null. Durable when it
        returns. A row whose key exists fails by itself, see `failures` of the result. Raises TypeMismatch, InvalidVector,
        LimitExceeded, FieldNotFound (then nothing was applied), StorageFull or RetryLater.
        """
        return await self._call(requests.insert(self.database, table, rows), timeout)

    async def upsert(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        """As `insert`, but a row whose key exists is replaced whole; of equal keys in one call the last wins."""
        return await self._call(requests.upsert(self.database, table, rows), timeout)

    async def update(self, table: str, rows: Mapping[str, object], *, timeout: Timeout = DEFAULT) -> WriteResult:
        """Change fields of rows that exist; fields that are not given keep their value. A key that is absent fails by itself."""
        return await self._call(requests.update(self.database, table, rows), timeout)

    async def delete(self, table: str, keys: object, *, timeout: Timeout = DEFAULT) -> WriteResult:
        """Remove rows by primary key (an array or list). A key that is absent fails by itself."""
        return await self._call(requests.delete(self.database, table, keys), timeout)

    async def delete_by_query(self, table: str, filter: str, *, timeout: Timeout = DEFAULT) -> WriteResult:
        """Remove all rows that match `filter`, which is not empty. Raises FilterError."""
        return await self._call(requests.delete_by_query(self.database, table, filter), timeout)

    async def get(self, table: str, keys: object, output_fields: Sequence[str] | None = None, *, timeout: Timeout = DEFAULT) -> Rows:
        """Rows by primary key, in the order of the keys; those that are absent are left out, see `positions`.

        `output_fields` None means all fields, vectors too.
        """
        return await self._call(requests.get(self.database, table, keys, output_fields), timeout)

    async def copy_by_query(
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
        """Copy rows that match `filter` (empty: all) into another table, in a job; `rows` of the result counts them.

        `fields` None means all; `to_fields` are their names in the destination, in the same order, if they differ. `mode`: insert, update
        or upsert; rows that it refuses let the job fail at its end, the others stay. `to_database` is that of the destination, if it is
        another one. With `remote` the table is that of another server. Waits as `activate_index`. Raises JobFailed, TableNotFound,
        FilterError, FieldNotFound or TypeMismatch.
        """
        request = requests.copy_by_query(self.database, table, to_table, filter, fields, to_fields, mode, to_database, remote)
        return await self._job(request, wait, progress, timeout)

    async def delete_matching(
        self, table: str, filter: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """What `delete_by_query` does, in a job that can be watched and canceled; `rows` of the result counts the removed ones.

        Waits as `activate_index`. Raises JobFailed, FilterError or TableNotFound."""
        return await self._job(requests.delete_matching(self.database, table, filter), wait, progress, timeout)
