"""The sparse vectors of one field by slot, in two files beside the offsets in memory; the same promises as the file of dense vectors.

    slot s has the entries offsets[s] to offsets[s + 1]; one file has their indices (uint32), the other their values (float32)

Appended rows lie behind the published ones and become seen by `view`; published ones never change, and a view stays good.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from hippod.engine.arrays import SparseArray, Values
from hippod.engine.index.vectors import VectorFile

_ROWS_FIRST: Final = 1_024


class SparseVectorFile:
    """Owned by a tablet: `write` in the writer thread, `view` in any thread, `close` when nobody writes. `path` gets two suffixes."""

    def __init__(self, path: Path) -> None:
        """Create the files, replacing those of that name. Raises StorageFull or DiskFailure."""
        self._offsets = np.zeros(_ROWS_FIRST + 1, np.int64)
        self._indices = VectorFile(path.with_name(path.name + ".indices"), 1, np.uint32)
        self._values = VectorFile(path.with_name(path.name + ".values"), 1, np.float32)

    def write(self, first_slot: int, rows: Values) -> None:
        """Put rows at slots first_slot.. ; blocking. Raises StorageFull (nothing published changed) or DiskFailure."""
        assert isinstance(rows, SparseArray)
        cut = rows.compact()
        entry = int(self._offsets[first_slot])
        self._indices.write(entry, cut.indices[:, None])
        self._values.write(entry, cut.values[:, None])
        end = first_slot + len(cut)
        offsets = self._offsets
        if end >= len(offsets):
            offsets = np.zeros(max(end + 1, 2 * len(offsets)), np.int64)
            offsets[: first_slot + 1] = self._offsets[: first_slot + 1]
        offsets[first_slot + 1 : end + 1] = cut.offsets[1:] + entry
        self._offsets = offsets

    def view(self, count: int) -> SparseArray:
        """Slots 0..count-1, sharing the page cache; valid for as long as it is held."""
        offsets = self._offsets[: count + 1]
        entries = int(offsets[-1])
        return SparseArray(offsets, self._indices.view(entries).reshape(-1), self._values.view(entries).reshape(-1))

    def close(self) -> None:
        """Unlink the files; views that are still held stay valid. A second call does nothing."""
        self._indices.close()
        self._values.close()
