"""From the columns of a request to the columns that are stored: every check of row values that does not need other rows.

What comes out always applies: right dtypes, right lengths, valid UTF-8, finite vectors. A fault names the field, the position of
the first bad row and the limit, and refuses the whole request; nothing here looks at which keys exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import BytesArray, Column, ListArray, StringArray, Values
from hippod.engine.json_cells import canonical_json
from hippod.engine.rowblock import ColumnData
from hippod.engine.schema import ARRAY_CAPACITY_MAX, RANGES, DataType, Field, Schema
from hippod.engine.vector_cells import normalize_vectors
from hippod.errors import LimitExceeded, Rejected, TypeMismatch


@dataclass(frozen=True, slots=True)
class InputRows:
    """`count` rows in storage form, by field number; `keys` is the primary key column (None where it is to be generated)."""

    count: int
    columns: dict[int, ColumnData]
    keys: Values | None


def normalize_rows(schema: Schema, columns: Sequence[Column], rows_max: int, *, partial: bool, cosine_fields: frozenset[int]) -> InputRows:
    """Check and convert the columns of a write.

    `partial`: fields other than the key may be missing (update); otherwise missing ones get their default or null.
    `cosine_fields`: numbers of vector fields where a zero vector has no direction and is refused.
    """
    count = _row_count(columns, rows_max)
    out: dict[int, ColumnData] = {}
    for column in columns:
        field = schema.field(column.field)
        if field.number in out:
            raise Rejected(f"field {field.name!r} is sent twice", field=field.name)
        out[field.number] = normalize_column(field, column, zero_refused=field.number in cosine_fields)
    key = schema.primary_key
    if key.number not in out and not (schema.auto_id and not partial):
        raise Rejected(f"the primary key {key.name!r} is missing", field=key.name)
    if not partial:
        for field in schema.fields:
            if field.number not in out and not field.primary_key:
                out[field.number] = filled_column(field, count)
    return InputRows(count, out, out[key.number].values if key.number in out else None)


def normalize_keys(schema: Schema, column: Column, rows_max: int) -> Values:
    """The primary keys of a delete or get in storage form."""
    _row_count([column], rows_max)
    key = schema.primary_key
    if column.field not in ("", key.name):
        raise Rejected(f"keys are of the primary key field {key.name!r}, not {column.field[:128]!r}", field=column.field[:128])
    return normalize_column(key, column, zero_refused=False).values


def filled_column(field: Field, count: int) -> ColumnData:
    """`count` cells of a field that was not sent: its default, else null, else Rejected."""
    if field.default is None and not field.nullable:
        raise Rejected(f"field {field.name!r} is required: it is not nullable and has no default", field=field.name)
    return null_column(field, count) if field.default is None else ColumnData(_repeated(field, field.default, count), None)


def null_column(field: Field, count: int) -> ColumnData:
    """`count` nulls of a scalar field."""
    if field.type is DataType.ARRAY:
        return ColumnData(ListArray(np.zeros(count + 1, np.int64), _no_elements(field)), np.zeros(count, np.bool_))
    if field.type.ragged is not None:
        return ColumnData(field.type.ragged(np.zeros(count + 1, np.int64), np.empty(0, np.uint8)), np.zeros(count, np.bool_))
    return ColumnData(np.zeros(count, field.type.dtype), np.zeros(count, np.bool_))


def _repeated(field: Field, cell: Any, count: int) -> Values:
    """`count` times the same cell of a string, number or time field."""
    if not field.type.is_string:
        return np.full(count, cell, field.type.dtype)
    data = str(cell).encode()
    return StringArray(np.arange(count + 1, dtype=np.int64) * len(data), np.frombuffer(data * count, np.uint8))


def _no_elements(field: Field) -> Any:
    assert field.element_type is not None
    return StringArray.of(()) if field.element_type.is_string else np.empty(0, field.element_type.dtype)


def _row_count(columns: Sequence[Column], rows_max: int) -> int:
    if not columns:
        raise Rejected("the request has no columns")
    count = len(columns[0].values)
    for column in columns:
        if len(column.values) != count:
            raise Rejected(
                f"column {column.field[:128]!r} has {len(column.values)} rows, column {columns[0].field[:128]!r} has {count}",
                field=column.field[:128],
            )
    if not 1 <= count <= rows_max:
        raise LimitExceeded(f"a request has 1 to {rows_max} rows, not {count}", limit=rows_max)
    return count


def normalize_column(field: Field, column: Column, *, zero_refused: bool) -> ColumnData:
    """One column in the storage form of `field`, or Rejected with field and position."""
    valid: npt.NDArray[np.bool_] | None = column.valid
    if valid is not None and bool(valid.all()):
        valid = None
    if valid is not None and not field.nullable:
        position = int(np.argmin(valid))
        raise Rejected(f"field {field.name!r} is not nullable, row {position} has no value", field=field.name, position=position)
    if valid is not None and not valid.any():
        # Of nulls alone a sender without the schema cannot know the type.
        return null_column(field, len(valid))
    if field.is_vector:
        return ColumnData(normalize_vectors(field, column.values, field.name, zero_refused=zero_refused), None)
    if field.type is DataType.ARRAY:
        return ColumnData(_lists(field, column.values), valid)
    if field.type is DataType.JSON:
        return ColumnData(canonical_json(field.name, _strings(field, column.values, field.length_max), valid), valid)
    if field.type.is_string:
        return ColumnData(_strings(field, column.values, field.length_max), valid)
    if field.type.ragged is not None:
        return ColumnData(_bytes(field, column.values), valid)
    return ColumnData(_numbers(field, field.type, column.values, valid), valid)


def _numbers(field: Field, kind: DataType, values: Values, valid: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.generic]:
    """Numbers cast without loss: ints by range, floats to ints only where integral, anything to float by nearest."""
    if not isinstance(values, np.ndarray) or values.ndim != 1:
        raise TypeMismatch(f"field {field.name!r} takes {kind} values", field=field.name)
    wanted = kind.dtype
    if (values.dtype == np.bool_) != (wanted == np.bool_):
        raise TypeMismatch(f"field {field.name!r} takes {kind} values, not {values.dtype}", field=field.name)
    if values.dtype == wanted and wanted.kind != "f" and kind not in RANGES:
        return values
    with np.errstate(all="ignore"):
        cast = values.astype(wanted)
        if wanted.kind == "f":
            bad = ~np.isfinite(cast)
        elif values.dtype.kind == "f":
            # Both ways: a float outside the range casts to some int that does not cast back.
            bad = (cast.astype(np.float64) != values) | ~(np.abs(values) <= 2.0**62)
        else:
            bad = cast.astype(np.int64) != values
        if kind in RANGES:
            lowest, highest = RANGES[kind]
            bad |= (cast < lowest) | (cast > highest)
    if valid is not None:
        bad &= valid
        cast[~valid] = 0
    if bad.any():
        position = int(np.argmax(bad))
        raise TypeMismatch(
            f"field {field.name!r}, row {position}: {values[position]} does not fit {kind}", field=field.name, position=position
        )
    return cast


def _strings(field: Field, values: Values, length_max: int) -> StringArray:
    if not isinstance(values, StringArray):
        raise TypeMismatch(f"field {field.name!r} takes strings", field=field.name)
    _check_lengths(field, values, length_max)
    _check_utf8(field, values)
    return values


def _bytes(field: Field, values: Values) -> BytesArray:
    if not isinstance(values, BytesArray) or isinstance(values, StringArray):
        raise TypeMismatch(f"field {field.name!r} takes bytes", field=field.name)
    _check_lengths(field, values, field.length_max)
    return values


def _check_lengths(field: Field, values: BytesArray, length_max: int) -> None:
    lengths = values.lengths()
    if len(lengths) and int(lengths.max()) > length_max:
        position = int(np.argmax(lengths > length_max))
        raise LimitExceeded(
            f"field {field.name!r}, row {position}: {int(lengths[position])} bytes, at most {length_max} are allowed",
            field=field.name,
            position=position,
            limit=length_max,
        )


def _check_utf8(field: Field, values: StringArray) -> None:
    data = values.data[values.offsets[0] : values.offsets[-1]]
    if not len(data) or not (data >= 0x80).any():
        return
    starts = values.offsets[:-1][values.lengths() > 0]
    try:
        data.tobytes().decode()
        broken = bool(((values.data[starts] & 0xC0) == 0x80).any())
    except UnicodeDecodeError:
        broken = True
    if broken:
        raise TypeMismatch(f"field {field.name!r} holds a string that is not valid UTF-8", field=field.name)


def _lists(field: Field, values: Values) -> ListArray:
    if not isinstance(values, ListArray) or field.element_type is None:
        raise TypeMismatch(f"field {field.name!r} takes arrays of {field.element_type}", field=field.name)
    capacity = field.max_capacity or ARRAY_CAPACITY_MAX
    lengths = values.lengths()
    if len(lengths) and int(lengths.max()) > capacity:
        position = int(np.argmax(lengths > capacity))
        raise LimitExceeded(
            f"field {field.name!r}, row {position}: {int(lengths[position])} elements, at most {capacity} are allowed",
            field=field.name,
            position=position,
            limit=capacity,
        )
    if not len(values.values):
        return ListArray(values.offsets, _no_elements(field))
    if field.element_type.is_string:
        return ListArray(values.offsets, _strings(field, values.values, field.length_max))
    return ListArray(values.offsets, _numbers(field, field.element_type, values.values, None))
