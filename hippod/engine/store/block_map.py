"""Which row blocks the store has, in memory: found once at open, so that a change finds its blocks without reading them.

A tablet's blocks lie in row_id order and never overlap. Blocks are merged so that neither a trickle of single writes nor many deaths
leave the store full of tiny or empty blocks; each row is rewritten a small number of times for that, because a block is merged only
with one of about its own size (the logarithmic method of Bentley and Saxe, 1980), or when half of its rows are dead.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from hippod.engine.store.values import BlockKey

BLOCK_ROWS_MAX: Final = 1_024


@dataclass(slots=True)
class BlockCounts:
    """`rows` are in the block, `dead` of them are dead."""

    rows: int
    dead: int = 0

    @property
    def living(self) -> int:
        return self.rows - self.dead


@dataclass(slots=True)
class TabletBlocks:
    """The blocks of one tablet: `firsts` rises and has the keys of `counts`."""

    firsts: list[int] = field(default_factory=list)
    counts: dict[int, BlockCounts] = field(default_factory=dict)
    sparse: set[int] = field(default_factory=set)

    def put(self, first: int, rows: int) -> None:
        if first not in self.counts:
            insort(self.firsts, first)
        self.counts[first] = BlockCounts(rows)
        self.sparse.discard(first)

    def remove(self, first: int) -> None:
        del self.firsts[bisect_left(self.firsts, first)]
        del self.counts[first]
        self.sparse.discard(first)

    def set_dead(self, first: int, dead: int) -> None:
        counts = self.counts[first]
        counts.dead = dead
        if counts.living * 2 <= counts.rows:
            self.sparse.add(first)

    def split(self, row_ids: npt.NDArray[np.int64]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Rising row_ids by the block they are in; those before the first block are left out."""
        blocks = np.searchsorted(np.array(self.firsts, np.int64), row_ids, side="right") - 1
        bounds = [*np.flatnonzero(np.diff(blocks, prepend=-2)).tolist(), len(row_ids)]
        for start, stop in pairwise(bounds):
            if blocks[start] >= 0:
                yield self.firsts[blocks[start]], row_ids[start:stop]

    def merge_at_end(self) -> list[int]:
        """The blocks at the end that should become one, fewer than two if none should."""
        group: list[int] = []
        living = 0
        for first in reversed(self.firsts):
            more = self.counts[first].living
            if group and (more > 2 * living or living + more > BLOCK_ROWS_MAX):
                break
            group.append(first)
            living += more
        return group[::-1]

    def merge_around(self, first: int) -> list[int]:
        """A block and, if their living rows fit into one, the neighbour before it."""
        at = bisect_left(self.firsts, first)
        if at and self.counts[self.firsts[at - 1]].living + self.counts[first].living <= BLOCK_ROWS_MAX:
            return self.firsts[at - 1 : at + 1]
        return [first]


class BlockMap:
    """The blocks of all tablets; belongs to whoever writes the store."""

    def __init__(self) -> None:
        self._tablets: dict[tuple[int, int], TabletBlocks] = {}

    def tablet(self, table: int, tablet: int) -> TabletBlocks:
        return self._tablets.setdefault((table, tablet), TabletBlocks())

    def tablets(self) -> list[tuple[tuple[int, int], TabletBlocks]]:
        return sorted(self._tablets.items(), key=lambda item: item[0])

    def drop_tablets(self, table: int, kept: frozenset[int]) -> list[BlockKey]:
        """Forget the tablets of a table but those `kept`; the keys that their blocks had."""
        gone = [where for where in self._tablets if where[0] == table and where[1] not in kept]
        return [BlockKey(*where, first) for where in gone for first in self._tablets.pop(where).firsts]
