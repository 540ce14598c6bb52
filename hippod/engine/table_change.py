"""What one group of writes does to a table: rows put and rows killed, tablet by tablet, and keys that end without a row.

Decided in the writer thread against the published rows; becomes effects for the log, and a staged write for memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hippod.engine.addresses import Addresses, split_by_tablet
from hippod.engine.arrays import Values, concat_values
from hippod.engine.effects import RowsEffect
from hippod.engine.keyindex import Located
from hippod.engine.rowblock import ColumnData, RowBlock, concat_blocks
from hippod.engine.table import StagedWrite, Table


@dataclass(slots=True)
class _TabletChange:
    next_row_id: int
    dead: list[npt.NDArray[np.int64]] = field(default_factory=list)
    blocks: list[RowBlock] = field(default_factory=list)
    keys: list[Located] = field(default_factory=list)


class TableChange:
    """Hands out row_ids behind the published ones."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._tablets: dict[int, _TabletChange] = {}
        self._lost_keys: list[Values] = []

    def put(self, tablet: int, columns: dict[int, ColumnData], keys: Located) -> None:
        """Rows with all their columns, by field number, and where the table's index has their keys, for the tablet of that number."""
        change = self._of(tablet)
        first = change.next_row_id
        count = len(keys.places)
        change.next_row_id += count
        change.keys.append(keys)
        change.blocks.append(RowBlock(np.arange(first, first + count, dtype=np.int64), columns))

    def kill(self, addresses: Addresses) -> None:
        """Rows that die; no address comes twice."""
        for tablet, _, slots in split_by_tablet(self.table.tablets, addresses):
            self._of(tablet.number).dead.append(tablet.columns.row_ids[slots])

    def lose(self, keys: Values) -> None:
        """Keys of killed rows that no put row has."""
        if len(keys):
            self._lost_keys.append(keys)

    def effects(self) -> list[RowsEffect]:
        """In the order of tablet numbers."""
        out = []
        for number, change in sorted(self._tablets.items()):
            dead = np.concatenate(change.dead) if change.dead else np.empty(0, np.int64)
            out.append(RowsEffect(self.table.number, number, dead, concat_blocks(change.blocks) if change.blocks else None))
        return out

    def stage(self, effects: list[RowsEffect]) -> StagedWrite:
        """Stage the effects of this change. Raises StorageFull."""
        located = {number: Located.joined(change.keys) for number, change in self._tablets.items() if change.keys}
        return self.table.stage(effects, located, concat_values(self._lost_keys) if self._lost_keys else None)

    def _of(self, tablet: int) -> _TabletChange:
        found = self._tablets.get(tablet)
        if found is None:
            found = self._tablets[tablet] = _TabletChange(self.table.tablets[tablet].next_row_id)
        return found
