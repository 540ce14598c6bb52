"""What an index sees of its tablet: rows by slot, who lives, and their vectors."""

from __future__ import annotations

from typing import Protocol

from hippod.engine.index.exact import Mask
from hippod.engine.index.sparse_vectors import SparseVectorFile
from hippod.engine.index.vectors import Slots, VectorFile


class RowSource(Protocol):
    """The published rows of a tablet and one of its vector fields. Attributes are read on the event loop.

    `alive` and `row_ids` have `count` entries; `row_ids` ascend strictly and never change, `alive` turns from True to
    False in place, and `alive_now` stays what it was. Slots are never reused while the tablet is open.
    """

    @property
    def count(self) -> int: ...

    @property
    def live_count(self) -> int: ...

    @property
    def alive(self) -> Mask: ...

    @property
    def alive_now(self) -> Mask: ...

    @property
    def row_ids(self) -> Slots: ...

    @property
    def vectors(self) -> VectorFile | SparseVectorFile: ...
