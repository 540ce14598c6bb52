"""Cells from JSON to columns and back, without a server."""

from __future__ import annotations

import datetime
import json
from typing import Any, Final

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hippod.engine.schema import ELEMENT_TYPES, DataType, Field
from hippod.errors import BadRequest, InvalidVector, LimitExceeded, TypeMismatch
from hippod.net.rest.body import check_structure
from hippod.net.rest.columns import read_column, shown_cells
from hippod.net.rest.envelope import encode_json

# A loaded machine takes its time to make the first text.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# As few digits as float32 has.
FLOATS: Final = st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda number: float(str(np.float32(number))))
MOMENTS: Final = st.datetimes(min_value=datetime.datetime(1, 1, 1)).map(lambda moment: moment.isoformat(sep=" "))
CELLS: Final[dict[DataType, st.SearchStrategy[Any]]] = {
    **{DataType(f"int{bits}"): st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    DataType.FLOAT: FLOATS,
    DataType.DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    DataType.BOOL: st.booleans(),
    DataType.DATE: st.dates().map(str),
    DataType.TIME: st.times().map(datetime.time.isoformat),
    DataType.TIMESTAMP: MOMENTS,
    DataType.DATETIME: MOMENTS,
    **dict.fromkeys((DataType.STRING, DataType.CHAR, DataType.VARCHAR, DataType.VARCHAR2), st.text(max_size=8)),
}


def there_and_back(field: Field, cells: list[Any]) -> Any:
    column = read_column(field, msgspec.Raw(json.dumps(cells, ensure_ascii=False).encode()))
    assert len(column.values) == len(cells)
    return json.loads(encode_json(shown_cells(field, column), pretty=False))


@calm
@given(st.sampled_from(sorted(CELLS)).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(st.none() | CELLS[kind], min_size=1))))
def test_scalar_cells_come_back_as_they_went(case: tuple[DataType, list[Any]]) -> None:
    kind, cells = case
    assert there_and_back(Field("f", kind), cells) == cells


@calm
@given(
    st.sampled_from(sorted(ELEMENT_TYPES)).flatmap(
        lambda kind: st.tuples(st.just(kind), st.lists(st.none() | st.lists(CELLS[kind]), min_size=1))
    )
)
def test_arrays_come_back_as_they_went(case: tuple[DataType, list[Any]]) -> None:
    kind, cells = case
    assert there_and_back(Field("f", DataType.ARRAY, element_type=kind), cells) == cells


@calm
@given(st.integers(1, 4).flatmap(lambda dimension: st.lists(st.lists(FLOATS, min_size=dimension, max_size=dimension), min_size=1)))
def test_vectors_come_back_as_they_went(vectors: list[list[float]]) -> None:
    field = Field("v", DataType.FLOAT_VECTOR, dimension=len(vectors[0]))
    assert there_and_back(field, vectors) == vectors


@calm
@given(st.integers(-(10**30), 10**30))
def test_an_integer_of_any_size_is_kept_or_refused(number: int) -> None:
    try:
        kept = there_and_back(Field("f", DataType.INT64), [number])
    except TypeMismatch:
        assert not -(2**63) <= number < 2**63
    else:
        assert kept == [number]


def test_vectors_of_different_lengths_are_refused_with_the_row() -> None:
    with pytest.raises(InvalidVector) as refused:
        read_column(Field("v", DataType.FLOAT_VECTOR, dimension=2), msgspec.Raw(b"[[1,2],[1,2],[1]]"))
    assert refused.value.details["position"] == 2


def test_cells_of_a_filtered_column_are_those_of_its_slice() -> None:
    field = Field("f", DataType.FLOAT)
    shown = shown_cells(field, read_column(field, msgspec.Raw(b"[1,2,3]")))
    assert isinstance(shown, np.ndarray)
    assert json.loads(encode_json(shown[1:2], pretty=False)) == [2.0]


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@calm
@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_json_without_a_fault_passes_the_check_of_its_structure(value: Any, ascii_only: bool, indent: int | None) -> None:
    check_structure(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(), 1_000)


@calm
@given(st.text(min_size=1), JSON, JSON, st.booleans(), st.integers(0, 20))
def test_a_key_twice_in_an_object_is_found_however_it_is_written(key: str, one: Any, other: Any, ascii_only: bool, depth: int) -> None:
    first, second = json.dumps(key), json.dumps(key, ensure_ascii=ascii_only)
    text = f"{{{first}:{json.dumps(one)} , {second} : {json.dumps(other)}}}"
    with pytest.raises(BadRequest, match="twice"):
        check_structure(("[" * depth + text + "]" * depth).encode(), 1_000)


@calm
@given(st.integers(33, 60), st.sampled_from(["[", '{"a":']))
def test_what_is_too_deep_is_refused(depth: int, opening: str) -> None:
    with pytest.raises(LimitExceeded):
        check_structure((opening * depth).encode(), 1_000)
