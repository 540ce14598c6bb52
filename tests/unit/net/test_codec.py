"""Whatever bytes a body has, decoding gives an operation or says what is wrong with it."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippod.engine.operations import Operation, Search
from hippod.errors import BadRequest
from hippod.net.native.codec import Codec
from hippod_client.wire.arrays import WireArray, WireStrings
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import Kind, encode_frame, read_frame

CODEC = Codec()
BODY = msgpack.packb(
    {
        "op": "insert",
        "table": "t",
        "columns": [{"field": "id", "values": msgpack.ExtType(1, b"\0\0")}, {"field": "tags", "values": msgpack.ExtType(2, b"\1\0\2\0")}],
    }
)
ARRAYS: list[WireArray] = [np.arange(2), np.array([0, 1, 2], np.int32), WireStrings.of(["a", "b"])]


def decoded(body: bytes, arrays: list[WireArray]) -> Operation | None:
    """The operation, None if it was refused as it must be; anything else is raised."""
    try:
        frame = b"".join(encode_frame(Kind.REQUEST, 1, body, arrays))
        return CODEC.decode_request(frame, read_frame(frame)[1])
    except (WireError, BadRequest):
        return None


def test_the_body_that_is_changed_below_is_a_request() -> None:
    assert decoded(BODY, ARRAYS) is not None


def test_a_body_is_judged_the_same_when_it_comes_again() -> None:
    twice = b"\x82\xa1a\x01\xa1a\x02"
    for body, is_request in ((BODY, True), (twice, False)):
        assert [decoded(body, ARRAYS) is not None for _ in range(3)] == [is_request] * 3


def searched(codec: Codec, vectors: WireArray, **more: object) -> Search:
    body = msgpack.packb({"op": "search", "table": "t", "vectors": msgpack.ExtType(1, b"\0\0"), **more})
    frame = b"".join(encode_frame(Kind.REQUEST, 1, body, [vectors]))
    operation = codec.decode_request(frame, read_frame(frame)[1])
    assert isinstance(operation, Search)
    return operation


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_searches_that_are_alike_have_vectors_of_their_own(dtype: type) -> None:
    codec = Codec()
    asked: dict[str, object] = {"k": 3, "params": {"nprobe": 7, "recall": None}, "output_fields": ["a"], "radius": 0.5}
    for number in range(4):
        vectors: npt.NDArray[Any] = np.full((2, 8), number, dtype)
        for more in ({}, asked, {**asked, "k": 4}):
            once, often = searched(Codec(), vectors, **more), searched(codec, vectors, **more)
            assert np.array_equal(often.vectors, vectors)
            assert often.vectors.dtype == dtype
            assert [getattr(often, f) for f in Search.__struct_fields__ if f != "vectors"] == [
                getattr(once, f) for f in Search.__struct_fields__ if f != "vectors"
            ]
    assert searched(codec, np.zeros((3, 8), dtype), **asked).vectors.shape == (3, 8)


def test_what_a_search_says_elsewhere_by_a_block_is_its_own() -> None:
    """Parameters may refer to the block as well: none of the data of an earlier search may be in them."""
    codec = Codec()
    for number in range(3):
        found = searched(codec, np.full((1, 4), number, np.float32), params={"nprobe": msgpack.ExtType(1, b"\0\0")})
        assert found.params["nprobe"].tolist() == [[number] * 4]


@settings(max_examples=500)
@given(st.binary(max_size=100))
def test_rubbish_is_refused(body: bytes) -> None:
    assert decoded(body, ARRAYS) is None


def changes_are_survived(examples: int) -> None:
    @settings(max_examples=examples)
    @given(st.lists(st.tuples(st.integers(0, len(BODY) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 3))
    def check(changes: list[tuple[int, int]], blocks: int) -> None:
        body = bytearray(BODY)
        for at, byte in changes:
            body[at] = byte
        found = decoded(bytes(body), ARRAYS[:blocks])
        assert found is None or isinstance(found, Operation)

    check()


def test_a_changed_body_is_refused_or_another_request() -> None:
    changes_are_survived(1_000)


@pytest.mark.soak
def test_changed_bodies_for_long() -> None:
    changes_are_survived(300_000)


def test_a_body_cut_anywhere_is_refused() -> None:
    assert not any(decoded(BODY[:size], ARRAYS) for size in range(len(BODY)))
