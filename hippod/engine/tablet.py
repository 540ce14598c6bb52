"""A tablet: the rows of one part of a table, in memory, with their vector files and vector indexes.

Rows enter in two steps. `stage` (writer thread, before or after the log, never seen by readers) copies a block behind the published
rows; `publish` (event loop) makes it visible at once together with the deaths of the same write, and tells the indexes. So a reader
on the event loop always sees whole writes, and readers in other threads hold views of published cells, which never change.
Everything here can be rebuilt from the store and the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column, SparseArray, Values, take_values
from hippod.engine.columns import FieldColumn, TabletColumns, dropped_meanwhile
from hippod.engine.expr import Filter, Selection
from hippod.engine.index.sparse_vectors import SparseVectorFile
from hippod.engine.index.vector_index import VectorIndex
from hippod.engine.index.vectors import VectorFile
from hippod.engine.operations.maintenance import FieldStatistics
from hippod.engine.rowblock import ColumnData, RowBlock
from hippod.engine.scalar_index import ScalarIndex
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import IndexNotFound

_PAGE_BYTES: Final = 4_096
_BYTES_AT_ONCE: Final = 1 << 26

Mask = npt.NDArray[np.bool_]


class VectorRows:
    """What a vector index may know of its rows: their vectors, ids and who lives. Satisfies index.vector_index.RowSource."""

    def __init__(self, columns: TabletColumns, vectors: VectorFile | SparseVectorFile) -> None:
        self._columns = columns
        self.vectors = vectors

    @property
    def count(self) -> int:
        return self._columns.count

    @property
    def live_count(self) -> int:
        return self._columns.live_count

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        return self._columns.alive

    @property
    def alive_now(self) -> npt.NDArray[np.bool_]:
        return self._columns.alive_now

    @property
    def row_ids(self) -> npt.NDArray[np.int64]:
        return self._columns.row_ids


def _vectors_of(field: Field, path: Path) -> VectorFile | SparseVectorFile:
    if field.type is DataType.SPARSE_FLOAT_VECTOR:
        return SparseVectorFile(path)
    return VectorFile(path, field.width, field.type.dtype)


@dataclass(frozen=True, slots=True)
class Staged:
    """A write that waits to be published in one tablet: so many rows, and the row_ids that die."""

    count: int
    dead: npt.NDArray[np.int64]


class Tablet:
    """Owned by its table. `version` grows with every publish: caches of masks are good for one version. `statistics` of fields, by
    number, with the version that they are of."""

    def __init__(self, schema: Schema, number: int, vectors_path: Path) -> None:
        self.number = number
        self.columns = TabletColumns(schema)
        self.next_row_id = 1
        self.version = 0
        self.rows = {
            f.number: VectorRows(self.columns, _vectors_of(f, vectors_path / f"{number}-{f.number}")) for f in schema.vector_fields
        }
        self.indexes: dict[str, VectorIndex] = {}
        self.scalar_indexes: dict[int, ScalarIndex] = {}
        self._indexed: dict[str, ScalarIndex] = {}
        self.statistics: dict[int, tuple[int, FieldStatistics]] = {}
        self._key = schema.primary_key

    def index(self, name: str) -> VectorIndex:
        """The live index of that name. Raises IndexNotFound if it was dropped meanwhile."""
        found = self.indexes.get(name)
        if found is None:
            raise IndexNotFound(f"index {name!r} was dropped meanwhile", index=name)
        return found

    def key_values(self) -> Values:
        """The primary key column of all published rows, dead ones too."""
        return self.columns.values(self._key)

    def adopt(self, schema: Schema, added: Mapping[int, FieldColumn]) -> None:
        """Have the fields of `schema` from now on, with `added` from `TabletColumns.new_columns`; event loop only, while nobody writes."""
        self._key = schema.primary_key
        self.columns.adopt(schema, added)
        self.version += 1
        self.statistics.clear()
        kept = {field.number for field in schema.vector_fields}
        before, self.rows = self.rows, {number: rows for number, rows in self.rows.items() if number in kept}
        for number in before.keys() - kept:
            before[number].vectors.close()

    def stage(self, block: RowBlock | None, dead: npt.NDArray[np.int64]) -> Staged:
        """Copy a block behind the published rows. `dead` are row_ids. Raises StorageFull, with nothing changed that a reader sees."""
        if block is None:
            return Staged(0, dead)
        self._append(block)
        return Staged(len(block.row_ids), dead)

    def _append(self, block: RowBlock) -> None:
        first_slot = self.columns.count
        for number, rows in self.rows.items():
            rows.vectors.write(first_slot, block.columns[number].values)
        self.columns.append(block)

    def publish(self, staged: Staged) -> None:
        """Make a staged write visible to every reader; event loop only."""
        first_slot = self.columns.count
        dead_slots = self.columns.slots_of(staged.dead)
        if staged.count:
            self.columns.publish(first_slot + staged.count)
            self.next_row_id = int(self.columns.row_ids[-1]) + 1
        if len(dead_slots):
            self.columns.kill(dead_slots)
        self.version += 1
        for index in self.indexes.values():
            if staged.count:
                index.rows_added(first_slot, staged.count)
            if len(dead_slots):
                index.rows_removed(dead_slots)

    def restore(self, blocks: Iterable[RowBlock]) -> None:
        """Take the living rows of the store, in row_id order, at start, before anyone reads."""
        for block in blocks:
            self._append(block)
            self.columns.publish(self.columns.count + len(block.row_ids))
            self.next_row_id = int(block.row_ids[-1]) + 1

    def vectors(self, field: Field) -> VectorFile | SparseVectorFile:
        """The vectors of a field. Raises FieldNotFound if it was dropped meanwhile."""
        rows = self.rows.get(field.number)
        if rows is None:
            raise dropped_meanwhile(field)
        return rows.vectors

    def cells(self, field: Field, slots: npt.NDArray[np.int64]) -> ColumnData:
        """Cells of any field, vectors too, copied. Raises FieldNotFound if it was dropped meanwhile."""
        if field.is_vector:
            return ColumnData(take_values(self.vectors(field).view(self.columns.count), slots), None)
        valid = self.columns.valid(field)
        return ColumnData(take_values(self.columns.values(field), slots), None if valid is None else valid[slots])

    def take(self, fields: Iterable[Field], slots: npt.NDArray[np.int64]) -> list[Column]:
        """The cells of `fields` at `slots`, as the columns of an answer."""
        out = []
        for field in fields:
            data = self.cells(field, slots)
            out.append(Column(field.name, data.values, data.valid))
        return out

    def index_fields(self, names: Mapping[int, str]) -> None:
        """Have scalar indexes on these fields, by number, as they are called now, and on no others."""
        kept = self.scalar_indexes
        self.scalar_indexes = {number: kept.get(number) or ScalarIndex() for number in names}
        self._indexed = {name: self.scalar_indexes[number] for number, name in names.items()}

    def selector(self, condition: Filter, first: int = 0) -> Callable[[Mask], Selection]:
        """What finds the living rows from slot `first` on that match, given who of the published rows lives; made while nobody renames
        fields, used in any thread but the event loop's."""
        columns = self.columns.view()
        if first:
            return lambda alive: condition.select_from(columns, first, alive)
        used = {name: index for name, index in self._indexed.items() if name in condition.fields}

        def select(alive: Mask) -> Selection:
            return condition.select(columns, alive, {name: index.of(name, columns, len(alive)) for name, index in used.items()})

        return select

    def touch(self) -> None:
        """Read every page of the vectors and columns once; for the search pool."""
        for rows in self.rows.values():
            vectors = rows.vectors.view(self.columns.count)
            for cells in (vectors.indices, vectors.values) if isinstance(vectors, SparseArray) else (vectors.reshape(-1),):
                flat = cells.view(np.uint8)
                for start in range(0, len(flat), _BYTES_AT_ONCE):
                    flat[start : start + _BYTES_AT_ONCE : _PAGE_BYTES].max(initial=0)
        self.columns.touch()

    def close(self) -> None:
        """Give back the vector files; the indexes are closed by the table."""
        for rows in self.rows.values():
            rows.vectors.close()
