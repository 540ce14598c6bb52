"""Every form of a vector in JSON gives the same block, and what is none is refused with its position."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippod.engine.schema import DataType, Field
from hippod.engine.vector_cells import normalize_vectors
from hippod.errors import InvalidVector, TypeMismatch
from hippod.net.rest.vectors import binary_vectors, sparse_vectors

SPARSE = st.lists(st.dictionaries(st.integers(0, 2**32 - 2), st.integers(-9, 9), max_size=5), max_size=4)


def over_json(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


@given(st.integers(1, 9).flatmap(lambda width: st.lists(st.binary(min_size=width, max_size=width), min_size=1, max_size=4)))
def test_all_forms_of_binary_vectors_are_the_same_bytes(rows: list[bytes]) -> None:
    dimension = 8 * len(rows[0])
    digits = ["".join(str(bit) for bit in np.unpackbits(np.frombuffer(row, np.uint8))) for row in rows]
    for form in ([list(row) for row in rows], digits, [base64.b64encode(row).decode() for row in rows]):
        found = binary_vectors("v", over_json(form), dimension)
        assert found.to_list() == rows
        field = Field("v", DataType.BINARY_VECTOR, dimension=dimension)
        stored = normalize_vectors(field, found, "v", zero_refused=False)
        assert isinstance(stored, np.ndarray)
        assert [row.tobytes() for row in stored] == rows


@given(SPARSE)
def test_all_forms_of_sparse_vectors_are_the_same_entries(rows: list[dict[int, int]]) -> None:
    wanted = [{index: float(row[index]) for index in sorted(row) if row[index]} for row in rows]
    forms: list[Any] = [
        rows,
        [[[index, value] for index, value in row.items()] for row in rows],
        [[[str(index), value] for index, value in row.items()] for row in rows],
        [{"indices": list(row), "values": list(row.values())} for row in rows],
    ]
    for form in forms:
        found = sparse_vectors("v", over_json(form))
        assert found.to_list() == wanted
        assert [list(row) for row in found.to_list()] == [list(row) for row in wanted]
        assert [array.dtype.name for array in (found.offsets, found.indices, found.values)] == ["int64", "uint32", "float32"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([256], "numbers from 0 to 255"),
        ([-1], "numbers from 0 to 255"),
        ([True], "numbers from 0 to 255"),
        ([1.0], "numbers from 0 to 255"),
        ({}, "numbers from 0 to 255"),
        (None, "numbers from 0 to 255"),
        ("///", "a text is 16 digits 0 or 1, or base64"),
        ("é", "a text is 16 digits 0 or 1, or base64"),
    ],
)
def test_what_is_no_binary_vector_is_refused(row: Any, words: str) -> None:
    with pytest.raises(TypeMismatch, match=words) as raised:
        binary_vectors("v", [[0, 0], row], 16)
    assert raised.value.details == {"field": "v", "position": 1}


def test_a_text_of_too_few_digits_is_base64_of_another_width() -> None:
    field = Field("v", DataType.BINARY_VECTOR, dimension=16)
    with pytest.raises(InvalidVector, match="2 bytes, not 3"):
        normalize_vectors(field, binary_vectors("v", ["0101"], 16), "v", zero_refused=False)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("text", "a sparse vector is"),
        ([1, 2], "a sparse vector is"),
        ([[1, 2, 3]], "a sparse vector is"),
        ({"indices": [1], "values": []}, "lists of one length"),
        ({"indices": 1, "values": [1]}, "lists of one length"),
        ({"-1": 1}, "an index is a whole number from 0 to 4294967294, not '-1'"),
        ({"1.5": 1}, "an index is"),
        ({"4294967295": 1}, "an index is"),
        ({"9" * 5_000: 1}, "an index is"),
        ([[True, 1]], "an index is"),
        ([[1.0, 1]], "an index is"),
        ({"1": "2"}, "a value is a number, not '2'"),
        ({"1": None}, "a value is a number"),
        ({"1": True}, "a value is a number"),
    ],
)
def test_what_is_no_sparse_vector_is_refused(row: Any, words: str) -> None:
    with pytest.raises(TypeMismatch, match=words) as raised:
        sparse_vectors("v", [{}, row])
    assert raised.value.details == {"field": "v", "position": 1}


@pytest.mark.parametrize(("row", "words"), [([[1, 2], [1, 3]], "ascending indices, each once"), ({"1": 10**400}, "holds NaN, an infinity")])
def test_what_has_the_form_but_breaks_a_rule_is_for_the_engine(row: Any, words: str) -> None:
    with pytest.raises(InvalidVector, match=words):
        normalize_vectors(Field("v", DataType.SPARSE_FLOAT_VECTOR), sparse_vectors("v", [row]), "v", zero_refused=False)
