"""Columns that stay bytes until their group is decided are the columns that were sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hippod.engine.arrays import BytesArray, Column, Values, concat_values
from hippod.engine.operations import Insert, Upsert
from hippod.engine.raw_columns import RawColumns, merged
from hippod.net.native.codec import Codec
from hippod_client import requests
from hippod_client.wire.frames import read_frame

CODEC = Codec()

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
row = st.tuples(st.integers(-(2**63), 2**63 - 1), words, st.binary(max_size=3), st.booleans(), st.floats(width=32, allow_nan=False))
batches = st.lists(st.lists(row, min_size=1, max_size=3), min_size=1, max_size=6)


def decoded(op: str, cells: dict[str, Any]) -> Insert | Upsert:
    make = requests.insert if op == "insert" else requests.upsert
    frame = b"".join(make("default", "t", cells).frame(1, 0))
    operation = CODEC.decode_request(frame, read_frame(frame)[1])
    assert isinstance(operation, Insert | Upsert)
    return operation


def cells_of(rows: Sequence[tuple[Any, ...]], nulls: bool) -> dict[str, Any]:
    keys, texts, data, flags, numbers = (list(cells) for cells in zip(*rows, strict=True))
    vectors = np.array([[number, 1.0] for number in numbers], np.float32)
    masked = np.ma.MaskedArray(flags, [at == 0 for at in range(len(rows))])
    return {"id": np.array(keys), "text": texts, "data": data, "flag": masked if nulls else np.array(flags), "v": vectors}


def listed(values: Values) -> list[Any]:
    return values.to_list() if isinstance(values, BytesArray) else np.asarray(values).tolist()


def same(one: Sequence[Column], other: Sequence[Column]) -> bool:
    def plain(column: Column) -> tuple[str, list[Any], list[bool] | None]:
        return column.field, listed(column.values), None if column.valid is None else column.valid.tolist()

    return list(map(plain, one)) == list(map(plain, other))


@given(batches, st.booleans())
def test_raw_columns_of_one_shape_are_joined_as_arrays_are(rows: list[list[tuple[Any, ...]]], nulls: bool) -> None:
    """Requests of any number of rows, with strings of any length: each is sent twice, and is raw the second time."""
    alike = [(decoded("insert", cells), decoded("insert", cells).columns) for cells in (cells_of(some, nulls) for some in rows)]
    raw = [columns for _, columns in alike if isinstance(columns, RawColumns)]
    assert len(raw) == len(rows)
    assert len({columns.form.shape for columns in raw}) == 1
    assert [columns.form.count for columns in raw] == list(map(len, rows))
    eager = [list(operation.columns) for operation, _ in alike]
    assert all(same(one, other) for one, other in zip(raw, eager, strict=True))
    joined = [Column(parts[0].field, concat_values([p.values for p in parts])) for parts in zip(*eager, strict=True)]
    assert same([Column(c.field, c.values) for c in merged(raw)], joined)
    valid = merged(raw)[3].valid
    assert (valid.tolist() if nulls else valid) == ([at > 0 for some in rows for at in range(len(some))] if nulls else None)


def shape_sent(op: str, cells: dict[str, Any]) -> object:
    decoded(op, cells)
    columns = decoded(op, cells).columns
    assert isinstance(columns, RawColumns)
    return columns.form.shape


def test_requests_of_other_kinds_fields_and_types_have_other_shapes() -> None:
    ids = np.array([1])
    shapes = [
        shape_sent("insert", {"id": ids}),
        shape_sent("upsert", {"id": ids}),
        shape_sent("insert", {"key": ids}),
        shape_sent("insert", {"id": ids.astype(np.int32)}),
        shape_sent("insert", {"id": ["1"]}),
        shape_sent("insert", {"id": [b"1"]}),
        shape_sent("insert", {"id": ids.reshape(1, 1).astype(np.float32)}),
        shape_sent("insert", {"id": np.ones((1, 2), np.float32)}),
        shape_sent("insert", {"id": np.ma.MaskedArray(ids, [True])}),
    ]
    assert len(set(shapes)) == len(shapes)
    assert shape_sent("insert", {"id": np.array([2, 3])}) is shapes[0]


def test_lists_and_columns_of_different_lengths_are_not_kept_raw() -> None:
    for cells in ({"id": np.array([1]), "tags": [[1, 2]]}, {"id": np.array([1]), "n": np.array([1, 2])}):
        operations = [decoded("insert", cells) for _ in range(3)]
        assert not any(isinstance(operation.columns, RawColumns) for operation in operations)


def test_long_columns_are_joined_as_short_ones_are() -> None:
    rows = [(at, "word" * (at % 9), b"x", True, at / 2) for at in range(20_000)]
    raw, eager = [], []
    for some in (rows, rows[::-1]):
        eager.append(list(decoded("insert", cells_of(some, True)).columns))
        columns = decoded("insert", cells_of(some, True)).columns
        assert isinstance(columns, RawColumns)
        raw.append(columns)
    for joined, one, other in zip(merged(raw), *eager, strict=True):
        assert listed(joined.values) == listed(one.values) + listed(other.values)
