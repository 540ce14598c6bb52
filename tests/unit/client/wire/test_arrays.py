from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippod_client.wire.arrays import (
    EXT_ARRAY,
    EXT_LIST,
    EXT_SPARSE,
    WireArray,
    WireBytes,
    WireLists,
    WireSparse,
    WireStrings,
    array_reference,
    encode_block,
    list_reference,
    resolve_reference,
    sparse_reference,
)
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import Kind, encode_frame, split_frame


def with_entry(array: WireArray, **changes: int) -> memoryview:
    """A frame holding `array` whose block table entry is changed."""
    frame = bytearray(b"".join(encode_frame(Kind.REPLY, 1, b"", [array])))
    names = ("dtype", "ndim", "zero", "rows", "columns", "size")
    entry = dict(zip(names, struct.unpack_from("<BBHIII", frame, 24), strict=True)) | changes
    struct.pack_into("<BBHIII", frame, 24, *entry.values())
    return memoryview(bytes(frame))


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": 0},
        {"dtype": 9},
        {"dtype": 12},
        {"dtype": 255},
        {"dtype": 5},
        {"dtype": 8},
        {"ndim": 0},
        {"ndim": 2},
        {"ndim": 3},
        {"zero": 1},
        {"rows": 3},
        {"rows": 0xFFFFFFFF},
        {"columns": 1},
        {"size": 0},
        {"size": 24},
        {"size": 0xFFFFFFFF},
        {"ndim": 2, "rows": 0xFFFFFFFF, "columns": 0, "size": 0},
    ],
)
def test_a_block_whose_shape_and_bytes_disagree_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(WireError):
        split_frame(with_entry(np.arange(2, dtype=np.int64), **changes))


@pytest.mark.parametrize("offsets", [[1, 2, 3], [0, 3, 2], [0, 1, 4], [0, 2, 1]])
def test_string_offsets_that_do_not_ascend_to_the_end_are_refused(offsets: list[int]) -> None:
    broken = WireStrings(np.array(offsets, np.uint32), np.frombuffer(b"abc", np.uint8))
    with pytest.raises(WireError, match="ascend"):
        split_frame(memoryview(b"".join(encode_frame(Kind.REPLY, 1, b"", [broken]))))


@pytest.mark.parametrize("changes", [{"rows": 2}, {"rows": 0xFFFFFFFF}, {"ndim": 2, "columns": 1}, {"columns": 1}])
def test_a_string_block_of_another_shape_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(WireError):
        split_frame(with_entry(WireStrings.of(["abc"]), **changes))


def test_a_bool_is_zero_or_one() -> None:
    with pytest.raises(WireError, match="0 or 1"):
        split_frame(with_entry(np.array([0, 2], np.int8), dtype=7))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5)))
def test_strings_come_back_as_they_were(strings: list[str]) -> None:
    assert WireStrings.of(strings).to_list() == strings


@given(st.lists(st.binary(max_size=5)))
def test_bytes_come_back_as_they_were(cells: list[bytes]) -> None:
    assert WireBytes.of_bytes(cells).to_list() == cells


def test_bytes_that_are_not_utf8_are_refused_when_read() -> None:
    with pytest.raises(WireError, match="UTF-8"):
        WireStrings(np.array([0, 1], np.uint32), np.array([0xFF], np.uint8)).to_list()


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2, 2)), np.zeros(()), np.zeros((3, 0)), np.array(["a"]), np.zeros(1, np.uint64), np.zeros(1, ">i4")]
)
def test_an_array_that_fits_no_block_is_not_encoded(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(WireError):
        encode_block(array)


def test_arrays_in_any_memory_order_are_encoded() -> None:
    array = np.arange(5_000, dtype=np.float32).reshape(50, 100)
    for view in (array.T, array[::2], array[:, ::3]):
        _, _, (back,) = split_frame(memoryview(b"".join(encode_frame(Kind.REPLY, 1, b"", [view]))))
        assert isinstance(back, np.ndarray)
        np.testing.assert_array_equal(back, view)


def test_a_reference_names_an_array_or_lists() -> None:
    arrays: list[WireArray] = [np.arange(2, dtype=np.int32), np.array([0, 1, 3], np.int32), np.array([7, 8, 9], np.int64)]
    assert resolve_reference(EXT_ARRAY, array_reference(2), arrays) is arrays[2]
    lists = resolve_reference(EXT_LIST, list_reference(1, 2), arrays)
    assert isinstance(lists, WireLists)
    assert lists.to_list() == [[7], [8, 9]]


def test_a_reference_names_sparse_vectors() -> None:
    arrays: list[WireArray] = [np.array([0, 2, 2], np.int32), np.array([3, 9], np.uint32), np.array([0.5, -1], np.float32)]
    found = resolve_reference(EXT_SPARSE, sparse_reference(0, 1, 2), arrays)
    assert isinstance(found, WireSparse)
    assert len(found) == 2
    assert (found.indices.tolist(), found.values.tolist()) == ([3, 9], [0.5, -1.0])


@pytest.mark.parametrize(
    ("code", "data"),
    [
        (EXT_ARRAY, b"\x09\x00"),
        (EXT_ARRAY, b"\x00"),
        (EXT_ARRAY, b"\x00\x00\x00"),
        (4, b"\x00\x00"),
        (EXT_SPARSE, b"\x00\x00"),
        (EXT_SPARSE, sparse_reference(5, 6, 9)),
        (EXT_SPARSE, sparse_reference(0, 6, 7)),
        (EXT_SPARSE, sparse_reference(5, 7, 6)),
        (EXT_SPARSE, sparse_reference(5, 6, 8)),
        (EXT_SPARSE, sparse_reference(5, 6, 7)[:6] + b"\x01\x00"),
        (-1, b"\x00\x00\x00\x00"),
        (EXT_LIST, b"\x00\x00"),
        (EXT_LIST, list_reference(0, 9)),
        (EXT_LIST, list_reference(1, 0)),
        (EXT_LIST, list_reference(0, 1)),
        (EXT_LIST, list_reference(2, 0)),
        (EXT_LIST, list_reference(3, 0)),
        (EXT_LIST, list_reference(4, 0)),
        (EXT_LIST, list_reference(5, 4)),
    ],
)
def test_a_reference_that_makes_no_sense_is_refused(code: int, data: bytes) -> None:
    arrays: list[WireArray] = [
        np.array([0, 1, 5], np.int32),
        np.arange(3, dtype=np.int64),
        np.array([0, 2, 1], np.int32),
        np.array([], np.int32),
        np.ones((1, 1), np.int32),
        np.array([0, 1], np.int32),
        np.array([7], np.uint32),
        np.array([0.5], np.float32),
        np.array([0.5, 1.0], np.float32),
    ]
    with pytest.raises(WireError):
        resolve_reference(code, data, arrays)
