"""Which rows of a tablet match a filter: evaluated in the search pool and kept; when rows have come, only these are looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.expr import Filter, Selection
from hippod.engine.index.matches import Experience, Matches, next_ident
from hippod.engine.index.pool import SearchPool
from hippod.engine.tablet import Tablet

MASKS_PER_TABLET: Final = 16

Mask = npt.NDArray[np.bool_]


class _Kept(NamedTuple):
    """What matched at a version, or is about to be known; `deaths` rows had died until then."""

    version: int
    deaths: int
    found: asyncio.Future[Matches]


class Matcher:
    """Kept matches of one tablet; event loop only. Equal filters asked for at the same time are evaluated once."""

    def __init__(self, tablet: Tablet, pool: SearchPool) -> None:
        self._tablet = tablet
        self._pool = pool
        self._kept: dict[str, _Kept] = {}

    def forget(self) -> None:
        """Drop what is kept; who waits for an evaluation still gets it."""
        self._kept.clear()

    async def matches(self, text: str, condition: Filter) -> Matches:
        """The matches at the version of the tablet that is published now, or a later one."""
        while True:
            kept = self._kept.get(text)
            if kept is not None and kept.version != self._tablet.version and not kept.found.done():
                # What it finds is the beginning of what is asked for now.
                await asyncio.wait([kept.found])
                continue
            if kept is None or kept.version != self._tablet.version or kept.found.cancelled():
                kept = self._evaluate(condition, kept)
                self._kept.pop(text, None)
                if len(self._kept) >= MASKS_PER_TABLET:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[text] = kept
            # Others may wait for the same evaluation: one of them going away must not cancel it.
            return kept.found.result() if kept.found.done() else await asyncio.shield(kept.found)

    def _evaluate(self, condition: Filter, before: _Kept | None) -> _Kept:
        """Begin to evaluate at the version of now, from what was found `before`, if it was."""
        tablet, columns = self._tablet, self._tablet.columns
        deaths = columns.count - columns.live_count
        if before is None or before.found.cancelled() or before.found.exception() is not None:
            # Cells that are published never change, but rows die: the evaluation gets who lives now.
            found = self._pool.run(_evaluate, tablet.selector(condition), columns.alive_now, next_ident(), Experience())
            return _Kept(tablet.version, deaths, found)
        known = before.found.result()
        if len(known.mask) == columns.count and before.deaths == deaths:
            return before._replace(version=tablet.version)
        newer = tablet.selector(condition, first=len(known.mask))
        return _Kept(tablet.version, deaths, self._pool.run(_extend, known, newer, columns.alive_now, before.deaths != deaths))


def _evaluate(select: Callable[[Mask], Selection], alive: Mask, ident: int, experience: Experience) -> Matches:
    return matches_of_slots(select(alive).slots, len(alive), ident, experience)


def _extend(known: Matches, select_newer: Callable[[Mask], Selection], alive: Mask, have_died: bool) -> Matches:
    """The matches of now: those known before that still live, and the rows since."""
    old = known.slots[alive[known.slots]] if have_died else known.slots
    new = select_newer(alive).slots
    mask = np.zeros(len(alive), np.bool_)
    mask[: len(known.mask)] = known.mask
    mask[new] = True
    return known._replace(slots=np.concatenate((old, new)), mask=mask)


def matches_of_slots(slots: npt.NDArray[np.int64], count: int, ident: int, experience: Experience) -> Matches:
    """The matches at `slots`, which rise, of `count` rows."""
    mask = np.zeros(count, np.bool_)
    mask[slots] = True
    return Matches(slots, mask, ident, experience)
