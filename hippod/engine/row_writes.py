"""From row requests to effects: which rows go in, which die, and which fail and why. Runs in the writer thread.

Requests of one kind and one shape on one table are handled as if they were one, which gives each exactly what it would have
got had they come one after the other: of equal keys the first insert or delete succeeds and the last update or upsert stays.
Nothing here changes state; everything is decided against the published rows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column, ListArray, StringArray, Values, concat_values, slice_values, take_values
from hippod.engine.effects import RowsEffect
from hippod.engine.normalize import InputRows, normalize_keys, normalize_rows
from hippod.engine.operations import Delete, DeleteByQuery, Insert, RowFailure, Update, Upsert, WriteResult
from hippod.engine.operations.rows import WRITE_ROWS_MAX
from hippod.engine.rowblock import ColumnData, RowBlock, concat_blocks
from hippod.engine.schema import DataType
from hippod.engine.table import Table
from hippod.errors import AlreadyExists, HippodError, NotFound

RowOperation = Insert | Update | Upsert | Delete

Slots = npt.NDArray[np.int64]


@dataclass(slots=True)
class TabletChange:
    """What one group of writes does to one tablet."""

    dead: list[npt.NDArray[np.int64]] = field(default_factory=list)
    blocks: list[RowBlock] = field(default_factory=list)
    lost_keys: list[Values] = field(default_factory=list)

    def all_lost_keys(self) -> Values | None:
        return concat_values(self.lost_keys) if self.lost_keys else None

    def effect(self, table: int, tablet: int) -> RowsEffect:
        dead = np.concatenate(self.dead) if self.dead else np.empty(0, np.int64)
        return RowsEffect(table, tablet, dead, concat_blocks(self.blocks) if self.blocks else None)


class TableChange:
    """The changes of one group to one table, tablet by tablet; hands out row_ids behind the published ones."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.tablets = [TabletChange() for _ in table.tablets]
        self._next_row_ids = [t.next_row_id for t in table.tablets]

    def put(self, tablet: int, columns: dict[int, ColumnData], count: int) -> None:
        first = self._next_row_ids[tablet]
        self._next_row_ids[tablet] += count
        self.tablets[tablet].blocks.append(RowBlock(np.arange(first, first + count, dtype=np.int64), columns))

    def effects(self) -> list[RowsEffect]:
        changed = ((number, t) for number, t in enumerate(self.tablets) if t.dead or t.blocks)
        return [tablet.effect(self.table.number, number) for number, tablet in changed]

    def kill(self, tablet: int, slots: Slots) -> None:
        if len(slots):
            self.tablets[tablet].dead.append(self.table.tablets[tablet].columns.row_ids[slots])

    def lose(self, tablet: int, keys: Values) -> None:
        if len(keys):
            self.tablets[tablet].lost_keys.append(keys)


def shape_of(operation: RowOperation) -> tuple[object, ...]:
    """Requests of equal shape can be handled as one."""
    columns = [operation.keys] if isinstance(operation, Delete) else operation.columns
    return (type(operation), *((c.field, _cell_shape(c.values)) for c in columns))


def _cell_shape(values: Values) -> object:
    if isinstance(values, np.ndarray):
        return values.dtype, values.shape[1:]
    return (ListArray, _cell_shape(values.values)) if isinstance(values, ListArray) else StringArray


def keys_of(operation: RowOperation, key_field: str) -> list[object]:
    """The keys as sent, for telling whether requests touch the same rows; empty where keys are to be generated."""
    columns = [operation.keys] if isinstance(operation, Delete) else [c for c in operation.columns if c.field == key_field]
    if not columns or isinstance(columns[0].values, ListArray):
        return []
    values = columns[0].values
    return list(values.to_bytes_list() if isinstance(values, StringArray) else values.tolist())


def prepare(change: TableChange, operations: Sequence[RowOperation]) -> list[WriteResult | HippodError]:
    """Add the effects of requests of one shape to `change` and return each one's answer."""
    try:
        return _prepare_merged(change, operations)
    except HippodError as error:
        if len(operations) == 1:
            return [error]
    # Somebody sent something bad: find who, and do the others without them.
    answers: list[WriteResult | HippodError | None] = []
    for operation in operations:
        try:
            _normalize(change.table, [operation])
            answers.append(None)
        except HippodError as error:
            answers.append(error)
    good = [op for op, answer in zip(operations, answers, strict=True) if answer is None]
    done = iter(_prepare_merged(change, good) if good else [])
    return [next(done) if answer is None else answer for answer in answers]


def prepare_delete_by_query(change: TableChange, operation: DeleteByQuery, rows_max: int) -> int:
    """Kill up to `rows_max` rows that match; returns how many."""
    table = change.table
    condition = table.filter(operation.filter)
    total = 0
    for number, tablet in enumerate(table.tablets):
        mask = condition.mask(tablet.columns, tablet.columns.count) & tablet.columns.alive
        slots = np.flatnonzero(mask)[: rows_max - total]
        change.kill(number, slots)
        change.lose(number, take_values(tablet.key_values(), slots))
        total += len(slots)
    return total


def _prepare_merged(change: TableChange, operations: Sequence[RowOperation]) -> list[WriteResult | HippodError]:
    rows, ends = _normalize(change.table, operations)
    kind = type(operations[0])
    generated: Values | None = None
    if rows.keys is None:
        generated = _generate_keys(change.table, rows.count)
        rows.columns[change.table.schema.primary_key.number] = ColumnData(generated, None)
    keys = rows.keys if generated is None else generated
    assert keys is not None
    route = change.table.route(keys)
    slots = _lookup(change.table, keys, route)
    chosen, failures = _decide(kind, keys, slots)
    if kind is Delete:
        _delete(change, keys, route, slots, chosen)
    else:
        _put(change, rows, route, slots, chosen, merge_old=kind is Update)
    return _answers(change.table, failures, ends, generated)


def _normalize(table: Table, operations: Sequence[RowOperation]) -> tuple[InputRows, list[int]]:
    first = operations[0]
    ends = np.cumsum([len(_columns(op)[0].values) if _columns(op) else 0 for op in operations]).tolist()
    if isinstance(first, Delete):
        merged = _merge([op.keys for op in operations if isinstance(op, Delete)])
        keys = normalize_keys(table.schema, merged, WRITE_ROWS_MAX * len(operations))
        return InputRows(len(keys), {}, keys), ends
    columns = [_merge(list(same)) for same in zip(*(_columns(op) for op in operations), strict=True)]
    rows = normalize_rows(
        table.schema,
        columns,
        WRITE_ROWS_MAX if len(operations) == 1 else WRITE_ROWS_MAX * len(operations),
        partial=isinstance(first, Update),
        cosine_fields=table.cosine_fields(),
    )
    return rows, ends


def _columns(operation: RowOperation) -> list[Column]:
    return [operation.keys] if isinstance(operation, Delete) else operation.columns


def _merge(columns: Sequence[Column]) -> Column:
    if len(columns) == 1:
        return columns[0]
    valid = None
    if any(c.valid is not None for c in columns):
        valid = np.concatenate([np.ones(len(c.values), np.bool_) if c.valid is None else c.valid for c in columns])
    return Column(columns[0].field, concat_values([c.values for c in columns]), valid)


def _generate_keys(table: Table, count: int) -> Values:
    """Fresh keys in rising order: ids of 128 random bits for strings, microseconds * 1,024 + a sequence for int64."""
    if table.schema.primary_key.type is DataType.INT64:
        first = max(table.last_generated_key + 1, time.time_ns() // 1_000 << 10)
        table.last_generated_key = first + count - 1
        return np.arange(first, first + count, dtype=np.int64)
    text = os.urandom(16 * count).hex().encode()
    return StringArray(np.arange(count + 1, dtype=np.int64) * 32, np.frombuffer(text, np.uint8))


def _lookup(table: Table, keys: Values, route: Slots) -> Slots:
    if len(table.tablets) == 1:
        return table.tablets[0].lookup(keys)
    slots = np.full(len(keys), -1, np.int64)
    for number, tablet in enumerate(table.tablets):
        rows = np.flatnonzero(route == number)
        if len(rows):
            slots[rows] = tablet.lookup(take_values(keys, rows))
    return slots


def _decide(kind: type[RowOperation], keys: Values, slots: Slots) -> tuple[Slots | None, list[tuple[int, RowFailure]]]:
    """Positions whose rows are put or killed (None: all), and (position, failure) of the others that failed."""
    keep_last = kind in (Update, Upsert)
    unique = _unique(keys, keep_last=keep_last)
    present = slots >= 0
    if kind is Upsert:
        return (None if unique is None else np.flatnonzero(unique)), []
    wanted = ~present if kind is Insert else present
    failed = ~wanted if unique is None or kind is Update else ~(wanted & unique)
    failures = []
    if failed.any():
        at = np.flatnonzero(failed)
        named = take_values(keys, at)
        shown: list[object] = named.tolist() if isinstance(named, np.ndarray) else [*named.to_list()]
        code = AlreadyExists.code if kind is Insert else NotFound.code
        reason = "exists already" if kind is Insert else "does not exist"
        failures = [(p, RowFailure(p, code, f"Primary key {reason}: {key}")) for p, key in zip(at.tolist(), shown, strict=True)]
    chosen = wanted if unique is None else wanted & unique
    return (None if chosen.all() else np.flatnonzero(chosen)), failures


def _unique(keys: Values, *, keep_last: bool) -> npt.NDArray[np.bool_] | None:
    """Mask of the first (or last) of equal keys; None if all differ."""
    cells: list[object] = list(keys.to_bytes_list() if isinstance(keys, StringArray) else keys.tolist())  # type: ignore[union-attr]  # a key is never a ListArray
    count = len(cells)
    if count == 1 or len(set(cells)) == count:
        return None
    positions = range(count) if keep_last else range(count - 1, -1, -1)
    ordered = cells if keep_last else cells[::-1]
    mask = np.zeros(count, np.bool_)
    mask[list(dict(zip(ordered, positions, strict=True)).values())] = True
    return mask


def _delete(change: TableChange, keys: Values, route: Slots, slots: Slots, chosen: Slots | None) -> None:
    for number in range(len(change.table.tablets)):
        rows = _rows_of(number, route, chosen, len(change.table.tablets))
        rows = np.arange(len(slots)) if rows is None else rows
        change.kill(number, slots[rows])
        change.lose(number, take_values(keys, rows))


def _put(change: TableChange, rows: InputRows, route: Slots, slots: Slots, chosen: Slots | None, *, merge_old: bool) -> None:
    for number in range(len(change.table.tablets)):
        at = _rows_of(number, route, chosen, len(change.table.tablets))
        count = rows.count if at is None else len(at)
        if not count:
            continue
        columns = rows.columns if at is None else {k: _take(c, at) for k, c in rows.columns.items()}
        old = slots if at is None else slots[at]
        if merge_old:
            tablet = change.table.tablets[number]
            columns = {f.number: columns[f.number] if f.number in columns else tablet.cells(f, old) for f in change.table.schema.fields}
        change.kill(number, old[old >= 0])
        change.put(number, columns, count)


def _rows_of(tablet: int, route: Slots, chosen: Slots | None, tablets: int) -> npt.NDArray[np.intp] | None:
    if tablets == 1:
        return chosen
    return np.flatnonzero(route == tablet) if chosen is None else chosen[route[chosen] == tablet]


def _take(column: ColumnData, rows: npt.NDArray[np.intp]) -> ColumnData:
    return ColumnData(take_values(column.values, rows), None if column.valid is None else column.valid[rows])


def _answers(
    table: Table, failures: Sequence[tuple[int, RowFailure]], ends: Sequence[int], generated: Values | None
) -> list[WriteResult | HippodError]:
    """Split failures (sorted by position) and generated keys back into one answer a request."""
    answers: list[WriteResult | HippodError] = []
    start = taken = 0
    for end in ends:
        mine = []
        while taken < len(failures) and failures[taken][0] < end:
            failure = failures[taken][1]
            mine.append(RowFailure(failure.position - start, failure.code, failure.message))
            taken += 1
        keys = None if generated is None else Column(table.schema.primary_key.name, slice_values(generated, start, end))
        answers.append(WriteResult(end - start - len(mine), mine, keys))
        start = end
    return answers
