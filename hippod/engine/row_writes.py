"""From row requests to effects: which rows go in, which die, and which fail and why. Runs in the writer thread.

Requests of one kind and one shape on one table are handled as if they were one, which gives each exactly what it would have
got had they come one after the other: of equal keys the first insert or delete succeeds and the last update or upsert stays.
Nothing here changes state; everything is decided against the published rows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from hippod.engine.addresses import Addresses, Positions, addresses_in, gather_cells, split_by
from hippod.engine.arrays import Column, ListArray, StringArray, Values, concat_values, slice_values, take_values
from hippod.engine.effects import column_bytes
from hippod.engine.keyindex import Located
from hippod.engine.normalize import InputRows, normalize_keys, normalize_rows
from hippod.engine.operations import Delete, Insert, RowFailure, Update, Upsert, WriteResult
from hippod.engine.operations.rows import WRITE_ROWS_MAX
from hippod.engine.raw_columns import RawColumns, merged
from hippod.engine.rowblock import ColumnData
from hippod.engine.schema import DataType
from hippod.engine.shapes import Shape, shape_for
from hippod.engine.table import Table
from hippod.engine.table_change import TableChange
from hippod.errors import AlreadyExists, HippodError, NotFound, Rejected

RowOperation = Insert | Update | Upsert | Delete


def describe(operation: RowOperation) -> tuple[Shape, int]:
    """The shape of a request, and about what its cells take, in bytes. Raises Rejected if it has no columns."""
    columns = _columns(operation)
    if isinstance(columns, RawColumns):
        return columns.form.shape, columns.form.size_bytes
    if not columns:
        raise Rejected("the request has no columns")
    shape = shape_for((type(operation), *[(c.field, _cell_shape(c.values)) for c in columns]))
    return shape, sum(column_bytes(c.values) for c in columns)


def _cell_shape(values: Values) -> tuple[object, ...]:
    if isinstance(values, np.ndarray):
        return values.dtype.num, values.shape[1:]
    if isinstance(values, ListArray):
        return ListArray, _cell_shape(values.values)
    return (type(values),)


def keys_of(operation: RowOperation, key_field: str) -> list[object]:
    """The keys as sent, for telling whether requests touch the same rows; empty where keys are to be generated."""
    columns = [c for c in _columns(operation) if c.field == key_field or isinstance(operation, Delete)]
    if not columns:
        return []
    values = columns[0].values
    if isinstance(values, StringArray):
        return list(values.to_bytes_list())
    return list(values.tolist()) if isinstance(values, np.ndarray) and values.ndim == 1 else []


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


def prepare_delete_matching(change: TableChange, text: str, rows_max: int) -> int:
    """Kill up to `rows_max` rows that match; returns how many."""
    table = change.table
    condition = table.filter(text)
    total = 0
    for tablet in table.possible_tablets(text):
        slots = tablet.selector(condition)(tablet.columns.alive).slots[: rows_max - total]
        change.kill(addresses_in(tablet.number, slots))
        change.lose(take_values(tablet.key_values(), slots))
        total += len(slots)
    return total


def _prepare_merged(change: TableChange, operations: Sequence[RowOperation]) -> list[WriteResult | HippodError]:
    table = change.table
    rows, ends = _normalize(table, operations)
    kind = type(operations[0])
    generated: Values | None = None
    if rows.keys is None:
        generated = _generate_keys(table, rows.count)
        rows.columns[table.schema.primary_key.number] = ColumnData(generated, None)
    keys = rows.keys if generated is None else generated
    assert keys is not None
    located = table.keys.locate(keys)
    old = table.keys.addresses(located)
    if kind is Delete:
        chosen, failures = _decide(kind, keys, old)
        change.kill(old if chosen is None else old[chosen])
        change.lose(keys if chosen is None else take_values(keys, chosen))
    else:
        targets = _targets(table, rows, keys, old)
        if targets is None or (placed := targets >= 0).all():
            chosen, failures = _decide(kind, keys, old)
        else:
            chosen, failures = _decide_placed(kind, keys, old, placed)
        _put(change, rows, located, old, targets, chosen, merge_old=kind is Update)
    return _answers(table, failures, ends, generated)


def _normalize(table: Table, operations: Sequence[RowOperation]) -> tuple[InputRows, list[int]]:
    first = operations[0]
    requests = [_columns(operation) for operation in operations]
    ends = list(accumulate(map(_row_count, requests)))
    columns = _merge_all(requests)
    if isinstance(first, Delete):
        keys = normalize_keys(table.schema, columns[0], WRITE_ROWS_MAX * len(operations))
        return InputRows(len(keys), {}, keys), ends
    rows = normalize_rows(
        table.schema,
        columns,
        WRITE_ROWS_MAX if len(operations) == 1 else WRITE_ROWS_MAX * len(operations),
        partial=isinstance(first, Update),
        cosine_fields=table.cosine_fields(),
    )
    return rows, ends


def _columns(operation: RowOperation) -> Sequence[Column]:
    return [operation.keys] if isinstance(operation, Delete) else operation.columns


def _row_count(columns: Sequence[Column]) -> int:
    if isinstance(columns, RawColumns):
        return columns.form.count
    return len(columns[0].values) if columns else 0


def _merge_all(requests: Sequence[Sequence[Column]]) -> list[Column]:
    """The columns of requests of one shape, one behind the other."""
    raw = [columns for columns in requests if isinstance(columns, RawColumns)]
    return merged(raw) if raw else [_merge(list(same)) for same in zip(*requests, strict=True)]


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


def _decide(kind: type[RowOperation], keys: Values, old: Addresses) -> tuple[Positions | None, list[tuple[int, RowFailure]]]:
    """Positions whose rows are put or killed (None: all), and (position, failure) of the others that failed."""
    keep_last = kind in (Update, Upsert)
    unique = _unique(keys, keep_last=keep_last)
    present = old >= 0
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


def _targets(table: Table, rows: InputRows, keys: Values, old: Addresses) -> npt.NDArray[np.int64] | None:
    """The tablet that each row goes to, as `Router.targets`. An update that sends no partition field finds it in the row of now."""
    missing = [field for field in table.router.fields if field.number not in rows.columns]
    if not missing:
        return table.router.targets(keys, rows.columns)
    targets = np.zeros(rows.count, np.int64)
    known = np.flatnonzero(old >= 0)
    columns = {number: _take(column, known) for number, column in rows.columns.items()}
    columns |= {field.number: gather_cells(table.tablets, field, old[known]) for field in missing}
    of_known = table.router.targets(take_values(keys, known), columns)
    assert of_known is not None
    targets[known] = of_known
    return targets


def _decide_placed(
    kind: type[RowOperation], keys: Values, old: Addresses, placed: npt.NDArray[np.bool_]
) -> tuple[Positions, list[tuple[int, RowFailure]]]:
    """As `_decide`, where some rows have no partition to go to: these fail, and the others are decided as if they had not been sent."""
    at = np.flatnonzero(placed)
    chosen, failures = _decide(kind, take_values(keys, at), old[at])
    homeless = [(p, RowFailure(p, Rejected.code, "No partition takes the row")) for p in np.flatnonzero(~placed).tolist()]
    moved = [(int(at[p]), RowFailure(int(at[p]), failure.code, failure.message)) for p, failure in failures]
    return (at if chosen is None else at[chosen]), sorted([*homeless, *moved], key=lambda failure: failure[0])


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


def _put(
    change: TableChange,
    rows: InputRows,
    located: Located,
    old: Addresses,
    targets: npt.NDArray[np.int64] | None,
    chosen: Positions | None,
    *,
    merge_old: bool,
) -> None:
    """Put the chosen rows, whose keys are `located`, into their target tablets, and kill those at `old` addresses whose place they take."""
    columns = rows.columns
    if chosen is not None:
        columns, located, old = {k: _take(c, chosen) for k, c in columns.items()}, located.take(chosen), old[chosen]
        targets = None if targets is None else targets[chosen]
    if not len(old):
        return
    if merge_old:
        fields = change.table.schema.fields
        columns = {f.number: columns.get(f.number) or gather_cells(change.table.tablets, f, old) for f in fields}
    change.kill(old[old >= 0])
    if targets is None:
        change.put(0, columns, located)
        return
    for number, at in split_by(targets):
        change.put(number, {k: _take(c, at) for k, c in columns.items()}, located.take(at))


def _take(column: ColumnData, rows: Positions) -> ColumnData:
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
