"""The scalar columns of a tablet in memory, by slot, with the row_ids and who lives.

Cells are appended behind the published ones by the writer thread and become visible by `publish` on the event loop; published cells
never change. Growth makes new arrays twice the size and never resizes in place, so a view that a reader holds stays good. An append
that is not published is overwritten by the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import BytesArray, ListArray, SparseArray, StringArray, Values, slice_values
from hippod.engine.normalize import filled_column
from hippod.engine.rowblock import ColumnData, RowBlock
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import FieldNotFound

_CAPACITY_FIRST: Final = 64
_PAGE_BYTES: Final = 4_096


class _Cells:
    """A growable array of one dtype."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self.array: npt.NDArray[Any] = np.zeros(_CAPACITY_FIRST, dtype)

    def write(self, start: int, cells: npt.NDArray[Any]) -> None:
        end = start + len(cells)
        if end > len(self.array):
            grown = np.zeros(max(end, 2 * len(self.array)), self.array.dtype)
            grown[:start] = self.array[:start]
            self.array = grown
        self.array[start:end] = cells

    @property
    def memory_bytes(self) -> int:
        return self.array.nbytes


class _Numbers:
    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._cells = _Cells(dtype)

    def write(self, start: int, values: Values) -> None:
        assert isinstance(values, np.ndarray)
        self._cells.write(start, values)

    def view(self, count: int) -> npt.NDArray[Any]:
        return self._cells.array[:count]

    @property
    def memory_bytes(self) -> int:
        return self._cells.memory_bytes


class _Strings:
    def __init__(self, kind: type[BytesArray]) -> None:
        self._kind = kind
        self._offsets = _Cells(np.int64)
        self._data = _Cells(np.uint8)

    def write(self, start: int, values: Values) -> None:
        assert isinstance(values, BytesArray)
        at = int(self._offsets.array[start])
        first, last = int(values.offsets[0]), int(values.offsets[-1])
        self._data.write(at, values.data[first:last])
        self._offsets.write(start + 1, values.offsets[1:] + (at - first))

    def view(self, count: int) -> BytesArray:
        return self._kind(self._offsets.array[: count + 1], self._data.array)

    @property
    def memory_bytes(self) -> int:
        return self._offsets.memory_bytes + self._data.memory_bytes


class _Lists:
    def __init__(self, element: DataType) -> None:
        self._offsets = _Cells(np.int64)
        self._elements: _Numbers | _Strings = _Strings(StringArray) if element.is_string else _Numbers(element.dtype)

    def write(self, start: int, values: Values) -> None:
        assert isinstance(values, ListArray)
        at = int(self._offsets.array[start])
        first, last = int(values.offsets[0]), int(values.offsets[-1])
        inner = values.values
        self._elements.write(at, slice_values(inner, first, last))
        self._offsets.write(start + 1, values.offsets[1:] + (at - first))

    def view(self, count: int) -> ListArray:
        return ListArray(self._offsets.array[: count + 1], self._elements.view(int(self._offsets.array[count])))

    @property
    def memory_bytes(self) -> int:
        return self._offsets.memory_bytes + self._elements.memory_bytes


class FieldColumn:
    """The cells of one field; the validity array exists only once there was a null."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.values: _Numbers | _Strings | _Lists
        if field.type is DataType.ARRAY:
            assert field.element_type is not None
            self.values = _Lists(field.element_type)
        else:
            self.values = _Strings(field.type.ragged) if field.type.ragged is not None else _Numbers(field.type.dtype)
        self.valid: _Cells | None = None

    def write(self, start: int, data: ColumnData, count: int) -> None:
        self.values.write(start, data.values)
        if self.valid is None:
            if data.valid is None:
                return
            valid = _Cells(np.bool_)
            valid.write(0, np.ones(start, np.bool_))
            valid.write(start, data.valid)
            self.valid = valid
        else:
            self.valid.write(start, np.ones(count, np.bool_) if data.valid is None else data.valid)


def dropped_meanwhile(field: Field) -> FieldNotFound:
    """For a read that began before the field was dropped."""
    return FieldNotFound(f"field {field.name!r} was dropped meanwhile", field=field.name)


def no_cells(field: Field) -> Values:
    """No cells, in the form in which a tablet keeps those of the field."""
    if field.type is DataType.SPARSE_FLOAT_VECTOR:
        return SparseArray.none()
    if field.is_vector:
        return np.empty((0, field.width), field.type.dtype)
    return FieldColumn(field).values.view(0)


class ColumnsView:
    """The columns of one moment by the names that they had: what a filter, which was compiled for these names, reads."""

    def __init__(self, columns: Mapping[str, FieldColumn], count: int) -> None:
        self._columns = columns
        self._count = count

    def values(self, name: str) -> Values:
        """All cells of a field, dead rows too."""
        return self._columns[name].values.view(self._count)

    def valid(self, name: str) -> npt.NDArray[np.bool_] | None:
        """Which cells are not null; None if none ever was."""
        mask = self._columns[name].valid
        return None if mask is None else mask.array[: self._count]


class TabletColumns:
    """Owned by a tablet. `append` in the writer thread, `publish`, `kill` and `adopt` on the event loop, reading anywhere."""

    def __init__(self, schema: Schema) -> None:
        self.count = 0
        self.live_count = 0
        self._columns = {f.number: FieldColumn(f) for f in schema.scalar_fields}
        self._named = {c.field.name: c for c in self._columns.values()}
        self._row_ids = _Cells(np.int64)
        self._alive = _Cells(np.bool_)
        self._alive_now: npt.NDArray[np.bool_] | None = None

    def append(self, block: RowBlock) -> None:
        """Copy rows behind the published ones; a field that the block lacks gets its default or null."""
        rows = len(block.row_ids)
        self._row_ids.write(self.count, block.row_ids)
        self._alive.write(self.count, np.zeros(rows, np.bool_))
        for column in self._columns.values():
            data = block.columns.get(column.field.number)
            column.write(self.count, filled_column(column.field, rows) if data is None else data, rows)

    def new_columns(self, schema: Schema) -> dict[int, FieldColumn]:
        """The columns of fields that only `schema` has, filled for the published rows; nothing changes here."""
        return {f.number: self._filled(f) for f in schema.scalar_fields if f.number not in self._columns}

    def _filled(self, field: Field) -> FieldColumn:
        column = FieldColumn(field)
        if self.count:
            # A required field is added only where no row lives: what the dead get is never seen.
            filled = field if field.default is not None else msgspec.structs.replace(field, nullable=True)
            column.write(0, filled_column(filled, self.count), self.count)
        return column

    def adopt(self, schema: Schema, added: Mapping[int, FieldColumn]) -> None:
        """Have the fields of `schema` from now on; `added` are the columns that `new_columns` made for it."""
        columns = {f.number: self._columns.get(f.number) or added[f.number] for f in schema.scalar_fields}
        for field in schema.scalar_fields:
            columns[field.number].field = field
        # New dicts: whoever holds the old ones goes on with the fields of one time.
        self._columns, self._named = columns, {c.field.name: c for c in columns.values()}

    def publish(self, count: int) -> None:
        """Let the first `count` rows be seen; those that were not before are alive."""
        self._alive.array[self.count : count] = True
        self._alive_now = None
        self.live_count += count - self.count
        self.count = count

    def kill(self, slots: npt.NDArray[np.int64]) -> None:
        """Mark living rows as dead; `slots` has no slot twice."""
        self.live_count -= int(np.count_nonzero(self._alive.array[slots]))
        self._alive.array[slots] = False
        self._alive_now = None

    @property
    def row_ids(self) -> npt.NDArray[np.int64]:
        """int64 (count,), strictly ascending."""
        return self._row_ids.array[: self.count]

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """bool (count,); changes in place when rows die."""
        return self._alive.array[: self.count]

    @property
    def alive_now(self) -> npt.NDArray[np.bool_]:
        """As `alive`, of this moment: it stays as it is. Event loop only; one copy for all who ask until rows come or die."""
        if self._alive_now is None:
            self._alive_now = self.alive.copy()
            self._alive_now.flags.writeable = False
        return self._alive_now

    def view(self) -> ColumnsView:
        """The published cells as they are named now."""
        return ColumnsView(self._named, self.count)

    def values(self, field: Field) -> Values:
        """All published cells of a field, dead rows too. Raises FieldNotFound if it was dropped meanwhile."""
        return self._of(field).values.view(self.count)

    def valid(self, field: Field) -> npt.NDArray[np.bool_] | None:
        """Which cells are not null; None if none ever was. Raises as `values`."""
        mask = self._of(field).valid
        return None if mask is None else mask.array[: self.count]

    def _of(self, field: Field) -> FieldColumn:
        column = self._columns.get(field.number)
        if column is None:
            raise dropped_meanwhile(field)
        return column

    def slots_of(self, row_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The slots of row_ids, which must exist."""
        return np.searchsorted(self.row_ids, row_ids).astype(np.int64)

    def touch(self) -> None:
        """Read every page of the published cells once."""
        arrays: list[Any] = [self.row_ids, self.alive]
        arrays += [column.values.view(self.count) for column in self._columns.values()]
        while arrays:
            array = arrays.pop()
            if isinstance(array, np.ndarray):
                array.view(np.uint8)[::_PAGE_BYTES].max(initial=0)
            else:
                arrays += [array.offsets, array.data if isinstance(array, BytesArray) else array.values]

    @property
    def memory_bytes(self) -> int:
        cells = sum(c.values.memory_bytes + (c.valid.memory_bytes if c.valid else 0) for c in self._columns.values())
        return cells + self._row_ids.memory_bytes + self._alive.memory_bytes
