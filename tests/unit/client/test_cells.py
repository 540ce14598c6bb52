"""Binary, JSON and vector cells as programs have them, and as blocks carry them."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippod_client import SparseVectors
from hippod_client.columns import decode_cells, encode_cells, encode_vectors
from hippod_client.errors import TypeMismatch
from hippod_client.wire.arrays import WireBytes, WireSparse, WireStrings

entries = st.dictionaries(st.integers(0, 2**32 - 2), st.floats(-10, 10, width=32).filter(bool), max_size=6)


class Matrix:
    """Laid out as scipy's CSR matrices are."""

    def __init__(self, indptr: list[int], indices: list[int], data: list[float]) -> None:
        self.indptr, self.indices, self.data = np.array(indptr, np.int32), np.array(indices, np.int32), np.array(data)


def test_bytes_with_nulls_keep_their_places() -> None:
    cells = encode_cells("b", [b"\xff\0", None, b""])
    assert isinstance(cells.values, WireBytes)
    assert not isinstance(cells.values, WireStrings)
    assert decode_cells(cells.values, cells.valid) == [b"\xff\0", None, b""]


def test_dicts_with_string_keys_are_json_and_with_whole_numbers_sparse_vectors() -> None:
    cells = encode_cells("j", [{"a": [1, "é"]}, None, {}])
    assert decode_cells(cells.values, cells.valid) == ['{"a":[1,"é"]}', None, "{}"]
    vectors = encode_cells("s", [{7: 0.5, 3: 1.0}, {}]).values
    assert isinstance(vectors, WireSparse)
    assert decode_cells(vectors, None).tolist() == [{3: 1.0, 7: 0.5}, {}]


def test_json_without_a_form_is_refused() -> None:
    with pytest.raises(TypeMismatch, match="'j'"):
        encode_cells("j", [{"a": float("nan")}])


@pytest.mark.parametrize("bits", [np.eye(2, 16, dtype=np.bool_), np.array([[0x80, 0], [0x40, 0]], np.uint8)])
def test_bits_and_bytes_are_binary_vectors(bits: np.ndarray[Any, Any]) -> None:
    for block in (encode_cells("b", bits).values, encode_vectors(bits)):
        assert isinstance(block, np.ndarray)
        assert (block.dtype.name, block.tolist()) == ("uint8", [[0x80, 0], [0x40, 0]])


def test_a_binary_query_is_bytes_bits_or_one_row() -> None:
    for one in (b"\x80\0", np.array([0x80, 0], np.uint8), np.eye(1, 16, dtype=np.bool_)[0], [b"\x80\0"]):
        block = encode_vectors(one)
        assert isinstance(block, np.ndarray)
        assert (block.dtype.name, block.tolist()) == ("uint8", [[0x80, 0]])


def test_bits_that_fill_no_bytes_are_refused() -> None:
    with pytest.raises(TypeMismatch, match="multiple of 8"):
        encode_vectors(np.zeros((2, 12), np.bool_))
    with pytest.raises(TypeMismatch, match="multiple of 8"):
        encode_cells("b", np.zeros((2, 12), np.bool_))


def test_flat_unsigned_numbers_are_still_numbers() -> None:
    cells = encode_cells("n", np.array([1, 255], np.uint8))
    assert isinstance(cells.values, np.ndarray)
    assert cells.values.tolist() == [1, 255]
    assert cells.values.dtype.kind == "i"


@given(st.lists(entries, max_size=5))
def test_sparse_vectors_come_back_as_they_were(rows: list[dict[int, float]]) -> None:
    vectors = SparseVectors.of(rows)
    back = SparseVectors.of_wire(vectors.to_wire())
    assert back.tolist() == [dict(sorted(row.items())) for row in rows]
    assert [back[i] for i in range(len(back))] == back.tolist()
    assert back[1:3].tolist() == back.tolist()[1:3]
    assert back[::-2].tolist() == back.tolist()[::-2]
    assert SparseVectors.of(vectors) is vectors


def test_a_csr_matrix_is_put_in_order_and_loses_its_zeros() -> None:
    matrix = Matrix([0, 3, 3, 5], [9, 2, 4, 1, 0], [1.0, 2.0, 0.0, 4.0, 5.0])
    for block in (encode_cells("s", matrix).values, encode_vectors(matrix)):
        assert isinstance(block, WireSparse)
        assert SparseVectors.of_wire(block).tolist() == [{2: 2.0, 9: 1.0}, {}, {0: 5.0, 1: 4.0}]


def test_one_dict_is_one_sparse_query() -> None:
    block = encode_vectors({5: 1.5})
    assert isinstance(block, WireSparse)
    assert SparseVectors.of_wire(block).tolist() == [{5: 1.5}]


@pytest.mark.parametrize(
    "arrays",
    [
        ([0, 1], [-1], [1.0]),
        ([0, 1], [2**32 - 1], [1.0]),
        ([0, 2], [1], [1.0]),
        ([1, 1], [1], [1.0]),
        ([0, 1], [1], [1.0, 2.0]),
        ([0, 2, 1], [1], [1.0]),
        ([0.0, 1.0], [1], [1.0]),
        ([], [], []),
    ],
)
def test_arrays_that_are_no_sparse_vectors_are_refused(arrays: tuple[list[Any], list[int], list[float]]) -> None:
    with pytest.raises(ValueError, match=r"sparse|indptr"):
        SparseVectors(*arrays)


def test_keys_of_both_kinds_are_json() -> None:
    assert decode_cells(encode_cells("f", [{"a": 1}, {3: 1.0}]).values, None) == ['{"a":1}', '{"3":1.0}']


@pytest.mark.parametrize("cells", [[{3: "x"}], [{2**33: 1.0}], [{-1: 1.0}], [b"a", "b"], [datetime.timedelta(1)]])
def test_cells_without_a_form_name_the_field(cells: list[Any]) -> None:
    with pytest.raises(TypeMismatch, match="'f'"):
        encode_cells("f", cells)
