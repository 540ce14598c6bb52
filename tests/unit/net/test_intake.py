from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippod.net.native.intake import Intake
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import FRAME_BYTES_MAX, HEADER_BYTES, LOGIN_FRAME_BYTES_MAX, Kind, encode_frame


def frame(size: int, request_id: int = 1) -> bytes:
    return b"".join(encode_frame(Kind.REQUEST, request_id, bytes(size)))


@given(st.lists(st.integers(0, 300), max_size=12), st.data())
def test_however_the_stream_is_cut_the_frames_are_the_same(sizes: list[int], data: st.DataObject) -> None:
    sent = [frame(size, number) for number, size in enumerate(sizes)]
    stream = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    intake = Intake()
    got: list[bytes] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += map(bytes, intake.feed(stream[start:stop]))
    assert got == sent
    assert intake.unfinished_bytes == 0


def test_a_frame_given_out_is_never_written_again() -> None:
    """Arrays view it for ever, however it was put together."""
    intake = Intake()
    first, second = frame(64, 1), frame(64, 2)
    (kept,) = intake.feed(first[:30]) + intake.feed(first[30:] + second[:50])
    before = bytes(kept)
    (other,) = intake.feed(second[50:])
    assert bytes(kept) == before == first
    assert bytes(other) == second


@given(st.binary(max_size=200), st.integers(1, 50))
def test_rubbish_is_refused_or_waited_for_and_never_held_beyond_what_came(rubbish: bytes, piece: int) -> None:
    intake = Intake()
    try:
        for at in range(0, len(rubbish), piece):
            intake.feed(rubbish[at : at + piece])
    except WireError:
        return
    assert intake.unfinished_bytes <= len(rubbish)


@pytest.mark.parametrize("claimed", [0, 1, HEADER_BYTES - 5, LOGIN_FRAME_BYTES_MAX - 3, 0xFFFFFFFF])
def test_a_length_out_of_bounds_is_refused_with_the_header(claimed: int) -> None:
    broken = struct.pack("<I", claimed) + frame(0)[4:]
    with pytest.raises(WireError, match="bytes"):
        Intake().feed(broken)
    dripping = Intake()
    dripping.feed(broken[: HEADER_BYTES - 1])
    with pytest.raises(WireError, match="bytes"):
        dripping.feed(broken[HEADER_BYTES - 1 : HEADER_BYTES])


def test_login_raises_the_limit_to_that_of_a_frame() -> None:
    intake = Intake()
    big = struct.pack("<IBBHIIII", LOGIN_FRAME_BYTES_MAX, Kind.REQUEST, 0, 0, 1, LOGIN_FRAME_BYTES_MAX - 24, 0, 0)
    with pytest.raises(WireError):
        Intake().feed(big)
    intake.login_done()
    assert intake.feed(big) == []
    with pytest.raises(WireError):
        intake.feed(bytes(LOGIN_FRAME_BYTES_MAX - 20) + struct.pack("<I", FRAME_BYTES_MAX - 3) + bytes(20))
