"""The rows that a search is restricted to, as an index sees them, and what searches restricted to them have met with so far."""

from __future__ import annotations

import itertools
from typing import Final, NamedTuple

from hippod.engine.index.exact import Mask
from hippod.engine.index.vectors import Slots

# The last hundred searches or so count.
_WEIGHT: Final = 0.02
_FORGETTING: Final = 0.999

_idents = itertools.count(1)


class Experience:
    """Of one filter: which share of the queries found too few matches within a depth of the whole ranking. Event loop only.

    What was found too costly for that is not tried any more; so its share falls slowly with every search that goes without it, and in time
    it is tried again: queries change.
    """

    def __init__(self) -> None:
        self._lacking: dict[int, float] = {}

    def lacking(self, depth: int) -> float:
        """From 0.0 to 1.0; 0.0 for a depth that was not tried yet."""
        return self._lacking.get(depth, 0.0)

    def tried(self, depth: int, queries: int, lacking: int) -> None:
        """Of so many queries so many found too few."""
        known = self._lacking.get(depth, 0.0)
        self._lacking[depth] = known + (lacking / queries - known) * (1 - (1 - _WEIGHT) ** queries)

    def passed_over(self) -> None:
        """A search went another way."""
        for depth in self._lacking:
            self._lacking[depth] *= _FORGETTING


class Matches(NamedTuple):
    """Living rows of one tablet that match a filter, at one version: `slots` int64 ascending.

    `mask` bool (count,) tells of every row of that version whether it matches; dead ones may be in it or not. Matches of the same filter at
    several versions have the same `ident`, and the mask of the earlier one is the beginning of that of the later one. 0: nobody asks again.
    """

    slots: Slots
    mask: Mask
    ident: int
    experience: Experience


def next_ident() -> int:
    """An ident that no other filter of this process has, of 32 bits; never 0."""
    return next(_idents) & 0xFFFFFFFF or next(_idents)
