"""The trash: dropped tables stay restorable for a while, then they are purged.

How long a table has been there is told by a clock that only goes forward: the seconds that the server has run in all, kept in the catalog
and continued by the monotonic clock. So no jump of the wall clock, and no time that the server was down, takes a table away too early;
a crash makes the clock lose some minutes, and the table stays as much longer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from hippod.engine.catalog import Catalog, Changes, TableDefinition
from hippod.engine.catalog.documents import put_counter
from hippod.engine.catalog.tables import purge_table
from hippod.errors import HippodError

_LOOK_EVERY_S: Final = 600.0
# Looks a retention: how exactly short ones are kept.
_LOOKS: Final = 20

_log = logging.getLogger(__name__)


class Trash:
    """Owned by the engine. `now` gives monotonic seconds; tests pass their own."""

    def __init__(
        self,
        catalog: Catalog,
        retention_s: float,
        change_catalog: Callable[[Callable[[], Changes]], Awaitable[None]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._retention_s = retention_s
        self._change_catalog = change_catalog
        self._now = now
        self._ran_before_s = catalog.running_s
        self._started = now()

    def running_s(self) -> int:
        """Seconds that the server has run in all; any thread."""
        return self._ran_before_s + int(self._now() - self._started)

    def remaining_s(self, table: TableDefinition) -> float:
        """How long a table in the trash can still be restored."""
        assert table.dropped is not None
        return max(0.0, table.dropped.running_s + self._retention_s - self.running_s())

    async def keep_emptying(self) -> None:
        """Purge what has been there for long enough, until canceled."""
        while True:
            await asyncio.sleep(min(_LOOK_EVERY_S, self._retention_s / _LOOKS))
            try:
                await self.empty()
            except HippodError as error:
                _log.warning("the trash could not be emptied, it will be tried again: %s", error.message)

    async def empty(self) -> None:
        """Look once, and remember how long the server has run."""
        if any(True for _ in self._catalog.trash()):
            await self._change_catalog(self._expired)

    def _expired(self) -> Changes:
        changes: Changes = (put_counter("running_s", self.running_s()),)
        for table in list(self._catalog.trash()):
            if not self.remaining_s(table):
                _log.info("table %r of database %r leaves the trash for good", table.name, table.database)
                changes += purge_table(self._catalog, table)
        return changes
