"""What a host knows of filters: the server tells it of each one once, and of rows that come later only whether they match.

Both ends are here. The server decides which filters a host keeps; a search that was sent keeps the mask it was sent with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from hippod.engine.index.exact import Mask
from hippod.engine.index.matches import Matches
from hippod.engine.index.protocol import Kind, encode, encode_filter

# A host keeps a byte a row for each.
FILTERS_KEPT: Final = 16


class ToldFilters:
    """The server's end, owned by a Generation: of how many rows the host was told, by filter; the one used last stands last."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}

    def news(self, matches: Matches) -> Iterator[bytes]:
        """The messages after which a search may name the filter; they count as sent."""
        known = self._rows.pop(matches.ident, 0)
        rows = len(matches.mask)
        self._rows[matches.ident] = max(known, rows)
        if rows > known:
            first = known & ~7
            yield encode_filter(matches.ident, rows, first, np.packbits(matches.mask[first:], bitorder="little"))
        while len(self._rows) > FILTERS_KEPT:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
            yield encode(Kind.FORGET, oldest)


class KnownFilters:
    """The host's end: a mask over slots for each filter."""

    def __init__(self) -> None:
        self._masks: dict[int, Mask] = {}

    def learn(self, ident: int, rows: int, body: memoryview) -> None:
        """Take a FILTER message."""
        first = int(np.frombuffer(body, np.int64, 1)[0])
        newer = np.unpackbits(np.frombuffer(body, np.uint8, offset=8), count=rows - first, bitorder="little").view(np.bool_)
        known = self._masks.get(ident)
        self._masks[ident] = newer if known is None else np.concatenate((known[:first], newer))

    def forget(self, ident: int) -> None:
        self._masks.pop(ident, None)

    def mask(self, ident: int) -> Mask:
        """Raises KeyError for one that was not told."""
        return self._masks[ident]


def matching(mask: Mask, slots: npt.NDArray[np.integer]) -> Mask:
    """Which of `slots` (of any shape; below 0: no row) match; of rows that came after the mask nobody knows, so they do not."""
    known = (slots >= 0) & (slots < len(mask))
    known[known] = mask[slots[known]]
    return known
