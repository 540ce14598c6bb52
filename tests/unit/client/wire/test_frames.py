from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippod_client.wire.arrays import WireArray, WireStrings
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import (
    BLOCKS_MAX,
    BODY_BYTES_MAX,
    FRAME_BYTES_MAX,
    HEADER_BYTES,
    LOGIN_FRAME_BYTES_MAX,
    Kind,
    decode_header,
    encode_frame,
    split_frame,
)
from tests.unit.client.wire.examples import same, wire_arrays


def joined(kind: int, request_id: int, body: bytes, arrays: list[WireArray] | None = None, deadline_ms: int = 0) -> bytes:
    return b"".join(encode_frame(kind, request_id, body, arrays or [], deadline_ms))


@given(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=40), st.lists(wire_arrays, max_size=5), st.integers(0, 9))
def test_a_frame_comes_back_as_it_was(kind: Kind, request_id: int, body: bytes, arrays: list[WireArray], deadline: int) -> None:
    deadline_ms = deadline if kind is Kind.REQUEST else 0
    frame = joined(kind, request_id, body, arrays, deadline_ms)
    header, body_back, arrays_back = split_frame(memoryview(frame))
    assert (header.kind, header.request_id, header.deadline_ms, bytes(body_back)) == (kind, request_id, deadline_ms, body)
    assert len(arrays_back) == len(arrays)
    assert all(map(same, arrays, arrays_back))
    assert len(frame) % 8 == 0


def test_a_frame_cut_at_any_byte_is_refused() -> None:
    frame = joined(
        Kind.REQUEST, 7, b"\x81\xa1a\x01", [np.arange(3, dtype=np.int16), WireStrings.of(["a", "bc"]), np.ones((2, 2), np.float32)]
    )
    for end in range(HEADER_BYTES, len(frame)):
        with pytest.raises(WireError):
            split_frame(memoryview(frame)[:end])
        shortened = struct.pack("<I", end - 4) + frame[4:end]
        with pytest.raises(WireError):
            split_frame(memoryview(shortened))


def test_bytes_behind_a_frame_are_refused() -> None:
    for frame in (joined(Kind.PING, 1, b""), joined(Kind.REPLY, 1, b"\x80", [np.zeros(1, np.int8)])):
        longer = struct.pack("<I", len(frame) + 4) + frame[4:] + bytes(8)
        with pytest.raises(WireError, match="after its"):
            split_frame(memoryview(longer))


@given(st.data())
def test_a_frame_with_a_changed_byte_is_refused_or_still_well_formed(data: st.DataObject) -> None:
    frame = bytearray(
        joined(Kind.REPLY, 7, b"\x81\xa1a\x01", [np.array([True, False]), WireStrings.of(["a", "bc"]), np.ones((2, 2), np.float32)])
    )
    frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        header, body, arrays = split_frame(memoryview(bytes(frame)))
    except WireError:
        return
    again = b"".join(encode_frame(header.kind, header.request_id, bytes(body), arrays, header.deadline_ms))
    assert again == frame


@pytest.mark.parametrize(
    ("offset", "layout", "value", "message"),
    [
        (0, "<I", 19, "length"),
        (0, "<I", 0, "length"),
        (0, "<I", 0xFFFFFFFF, "length"),
        (0, "<I", FRAME_BYTES_MAX - 3, "length"),
        (4, "<B", 0, "kind"),
        (4, "<B", 12, "kind"),
        (5, "<B", 1, "flags"),
        (6, "<H", BLOCKS_MAX + 1, "blocks"),
        (6, "<H", 1, "fit"),
        (12, "<I", BODY_BYTES_MAX + 1, "body"),
        (12, "<I", 1, "fit"),
        (16, "<I", 1, "deadline"),
        (20, "<I", 1, "reserved"),
    ],
)
def test_a_header_that_no_frame_has_is_refused(offset: int, layout: str, value: int, message: str) -> None:
    frame = bytearray(joined(Kind.PING, 1, b""))
    struct.pack_into(layout, frame, offset, value)
    with pytest.raises(WireError, match=message):
        decode_header(frame)


def test_the_length_before_login_is_bounded_by_its_own_limit() -> None:
    frame = joined(Kind.LOGIN, 0, bytes(LOGIN_FRAME_BYTES_MAX))
    decode_header(frame)
    with pytest.raises(WireError, match="length"):
        decode_header(frame, length_max=LOGIN_FRAME_BYTES_MAX - 4)


def test_arrays_are_views_of_the_frame() -> None:
    frame = joined(Kind.REPLY, 1, b"\x80", [np.arange(6, dtype=np.float32).reshape(2, 3)])
    _, _, (array,) = split_frame(memoryview(frame))
    assert isinstance(array, np.ndarray)
    assert np.shares_memory(array, np.frombuffer(frame, np.uint8))
    assert array.flags.aligned


def test_what_is_over_a_limit_is_not_encoded() -> None:
    with pytest.raises(WireError, match="body"):
        encode_frame(Kind.REQUEST, 1, bytes(BODY_BYTES_MAX + 1))
    with pytest.raises(WireError, match="blocks"):
        encode_frame(Kind.REQUEST, 1, b"", [np.zeros(1, np.int8)] * (BLOCKS_MAX + 1))
    with pytest.raises(WireError, match="fewer rows"):
        encode_frame(Kind.REQUEST, 1, b"", [np.zeros(FRAME_BYTES_MAX, np.int8)])
    encode_frame(Kind.REPLY, 1, bytes(BODY_BYTES_MAX + 1))
