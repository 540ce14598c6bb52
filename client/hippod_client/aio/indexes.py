"""Vector indexes and their life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hippod_client import requests
from hippod_client.aio.calls import Calls
from hippod_client.calls import DEFAULT, Progress, Timeout
from hippod_client.definitions import ScalarIndexInfo
from hippod_client.recall import RecallInfo
from hippod_client.results import IndexInfo, JobInfo


class IndexMethods(Calls):
    """Part of `Client`."""

    async def create_index(
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
        """Define an index on a vector field; `activate_index` builds it.

        `metric`: l2 (unless you say), ip or cosine for float vectors, hamming (unless you say) or jaccard for binary ones, ip for sparse
        ones. `type`: AUTO (the quickest of some, measured when it is activated); for float vectors FLAT (exact), IVF_FLAT, IVF_SQ, IVF_PQ,
        IVF_PQ_FS, HNSW or ANNOY, for binary ones BIN_FLAT (exact), BIN_IVF or BIN_HNSW, for sparse ones SPARSE_HNSW (exact).

        `params` of the IVF types: nlist (leaves), nprobe and reorder (defaults of searches), m (IVF_PQ, IVF_PQ_FS), nbits (IVF_PQ),
        sq_type (IVF_SQ), index_slow_refine (IVF_SQ, IVF_PQ); of the graphs: M, ef_construction, ef_search; of AUTO: nprobe, reorder and
        ef_search. Raises Rejected, AlreadyExists, FieldNotFound.
        """
        await self._call(requests.create_index(self.database, table, index, field, type, metric, params), timeout)

    async def activate_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """Build the index and keep it up to date from then on; the table can be read and written meanwhile.

        `wait`: return when it is built, calling `progress` with the job's state now and then; raises JobFailed if it fails, and
        ClientTimeout after `timeout` seconds (the job goes on then). Otherwise return the job at once, see `get_job`.
        """
        return await self._job(requests.activate_index(self.database, table, index, wait=False), wait, progress, timeout)

    async def rebuild_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """Train an active index anew over the rows of now; it answers as before meanwhile. Waits as `activate_index`."""
        return await self._job(requests.rebuild_index(self.database, table, index, wait=False), wait, progress, timeout)

    async def compact_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """Train an active index anew if rows died since it was trained; it answers as before meanwhile. Waits as `activate_index`."""
        return await self._job(requests.compact_index(self.database, table, index, wait=False), wait, progress, timeout)

    async def set_auto_compaction(self, table: str, index: str, enabled: bool, *, timeout: Timeout = DEFAULT) -> None:
        """Whether an index trains anew by itself when too much changed since it was trained, as a new one does."""
        await self._call(requests.set_auto_compaction(self.database, table, index, enabled), timeout)

    async def load_index(
        self, table: str, index: str, *, wait: bool = True, progress: Progress | None = None, timeout: float | None = None
    ) -> JobInfo:
        """Bring a released index back into memory. Waits as `activate_index`."""
        return await self._job(requests.load_index(self.database, table, index, wait=False), wait, progress, timeout)

    async def release_index(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> None:
        """Take an active index out of memory; searches raise WrongState until `load_index`."""
        await self._call(requests.release_index(self.database, table, index), timeout)

    async def drop_index(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> None:
        """Remove an index; the rows stay. Raises IndexNotFound."""
        await self._call(requests.drop_index(self.database, table, index), timeout)

    async def list_indexes(self, table: str, *, timeout: Timeout = DEFAULT) -> list[IndexInfo]:
        """The indexes of a table with their state."""
        return await self._call(requests.list_indexes(self.database, table), timeout)

    async def describe_recall(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> RecallInfo:
        """What an index was measured to find, and whether searches that asked for a `recall` found it. Raises IndexNotFound."""
        return await self._call(requests.describe_recall(self.database, table, index), timeout)

    async def create_scalar_index(self, table: str, index: str, fields: Sequence[str], *, timeout: Timeout = DEFAULT) -> None:
        """Index 1 to 16 scalar or array fields, each by its own values; filters on them look at fewer rows from then on.

        Raises AlreadyExists, FieldNotFound, TypeMismatch or LimitExceeded."""
        await self._call(requests.create_scalar_index(self.database, table, index, fields), timeout)

    async def drop_scalar_index(self, table: str, index: str, *, timeout: Timeout = DEFAULT) -> None:
        """Remove a scalar index; the rows stay. Raises IndexNotFound."""
        await self._call(requests.drop_scalar_index(self.database, table, index), timeout)

    async def list_scalar_indexes(self, table: str, *, timeout: Timeout = DEFAULT) -> list[ScalarIndexInfo]:
        """The scalar indexes of a table, in the order in which they were created."""
        return await self._call(requests.list_scalar_indexes(self.database, table), timeout)
