"""Which rows of a tablet match a filter: evaluated in the search pool, kept for as long as the tablet does not change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.expr import Filter, Selection
from hippod.engine.index.pool import SearchPool
from hippod.engine.tablet import Tablet

MASKS_PER_TABLET: Final = 16


class Matches(NamedTuple):
    """Living rows of one tablet that match: `slots` int64 ascending, and the same as a `mask` over the rows of that version."""

    slots: npt.NDArray[np.int64]
    mask: npt.NDArray[np.bool_]


class Matcher:
    """Kept matches of one tablet; event loop only. Equal filters asked for at the same time are evaluated once."""

    def __init__(self, tablet: Tablet, pool: SearchPool) -> None:
        self._tablet = tablet
        self._pool = pool
        self._version = -1
        self._kept: dict[str, asyncio.Future[Matches]] = {}

    def forget(self) -> None:
        """Drop what is kept; who waits for an evaluation still gets it."""
        self._kept.clear()

    async def matches(self, text: str, condition: Filter) -> Matches:
        """The matches at the version of the tablet that is published now, or a later one."""
        tablet = self._tablet
        if self._version != tablet.version:
            self._kept.clear()
            self._version = tablet.version
        kept = self._kept.get(text)
        if kept is None or kept.cancelled():
            # Cells that are published never change, but rows die: the evaluation gets its own copy of who lives.
            kept = self._pool.run(_evaluate, tablet.selector(condition), tablet.columns.alive.copy())
            if len(self._kept) >= MASKS_PER_TABLET:
                self._kept.pop(next(iter(self._kept)))
            self._kept[text] = kept
        # Others may wait for the same evaluation: one of them going away must not cancel it.
        return await asyncio.shield(kept)


def _evaluate(select: Callable[[npt.NDArray[np.bool_]], Selection], alive: npt.NDArray[np.bool_]) -> Matches:
    return matches_of_slots(select(alive).slots, len(alive))


def matches_of_slots(slots: npt.NDArray[np.int64], count: int) -> Matches:
    """The matches at `slots`, which rise."""
    mask = np.zeros(count, np.bool_)
    mask[slots] = True
    return Matches(slots, mask)
