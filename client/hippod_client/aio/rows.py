"""Rows: columnar writes, and reads by primary key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hippod_client import requests
from hippod_client.aio.calls import Calls
from hippod_client.calls import DEFAULT, Timeout
from hippod_client.results import Rows, WriteResult


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
