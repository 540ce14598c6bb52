"""Index hosts of the whole server: how many may serve at a time, and whose turn it is to train."""

from __future__ import annotations

import asyncio

from hippod.engine.index.options import IndexOptions


class HostPool:
    """Owned by the engine and used on the event loop. An index holds one place while it has a host or brings one up.

    A training takes the memory and the processors of several hosts, so they take turns; the host that is being trained
    for an index that already has one needs no second place.
    """

    def __init__(self, options: IndexOptions) -> None:
        self.options = options
        self.training_turn = asyncio.Lock()
        self.taken = 0
        self._places = asyncio.Semaphore(options.hosts_max)

    @property
    def is_full(self) -> bool:
        return self._places.locked()

    async def take_place(self) -> None:
        """Wait for a place."""
        await self._places.acquire()
        self.taken += 1

    def leave_place(self) -> None:
        self.taken -= 1
        self._places.release()
