from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippod_client.wire.errors import WireError
from hippod_client.wire.scan import check_structure

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=40),
    st.just(msgpack.ExtType(1, b"\0\0")),
    st.just(msgpack.ExtType(2, b"\0\0\1\0")),
    st.just(msgpack.ExtType(3, b"\0\0\1\0\2\0\0\0")),
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=17), st.dictionaries(st.text(max_size=4), inner, max_size=4)), max_leaves=8
)
bodies = st.dictionaries(st.text(max_size=4), values, max_size=4)


def nested(depth: int) -> bytes:
    return b"\x81\xa1a" + b"\x91" * (depth - 1) + b"\x01"


@given(bodies)
def test_every_body_within_the_limits_passes(body: dict[str, Any]) -> None:
    check_structure(msgpack.packb(body), depth_max=100)


@given(bodies, st.data())
def test_a_body_cut_at_any_byte_is_refused(body: dict[str, Any], data: st.DataObject) -> None:
    packed = msgpack.packb(body)
    with pytest.raises(WireError):
        check_structure(packed[: data.draw(st.integers(0, len(packed) - 1))], depth_max=100)


@given(st.binary(max_size=60))
def test_what_passes_can_be_decoded(rubbish: bytes) -> None:
    for body in (rubbish, b"\x81\xa1a" + rubbish):
        try:
            check_structure(body)
        except WireError:
            continue
        decoded = msgpack.unpackb(body, raw=True)
        assert isinstance(decoded, dict)


@pytest.mark.parametrize("body", [b"", b"\x01", b"\x90", b"\xa1a", b"\xc0", b"\xd5\x01\x00\x00"])
def test_a_body_that_is_no_map_is_refused(body: bytes) -> None:
    with pytest.raises(WireError, match="is a map"):
        check_structure(body)


def test_bytes_after_the_map_are_refused() -> None:
    with pytest.raises(WireError, match="after"):
        check_structure(b"\x80\x80")


@pytest.mark.parametrize(
    "body",
    [
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x82\xa1a\x01\xd9\x01a\x02",
        b"\x81\xa1x\x82\xa1a\x01\xa1a\x02",
        b"\x81\xa1x\x91\x82\xda\x00\x01a\x01\xa1a\x02",
    ],
)
def test_a_key_that_comes_twice_is_refused(body: bytes) -> None:
    with pytest.raises(WireError, match="twice"):
        check_structure(body)


@pytest.mark.parametrize("key", [b"\x01", b"\xc0", b"\xc4\x01a", b"\x90", b"\xcb" + bytes(8)])
def test_a_key_that_is_no_string_is_refused(key: bytes) -> None:
    with pytest.raises(WireError, match="string"):
        check_structure(b"\x81" + key + b"\x01")


@pytest.mark.parametrize(
    "value",
    [b"\xc1", b"\xc4\x01a", b"\xd4\x01\x00", b"\xd5\x02\x00\x00", b"\xd6\xff" + bytes(4), b"\xc7\x02\x01\x00\x00", b"\xd8" + bytes(17)],
)
def test_binary_and_unknown_extensions_are_refused(value: bytes) -> None:
    with pytest.raises(WireError):
        check_structure(b"\x81\xa1a" + value)


def test_depth_is_bounded() -> None:
    check_structure(nested(16))
    with pytest.raises(WireError, match="deeper than 16"):
        check_structure(nested(17))
    with pytest.raises(WireError, match="deeper than 16"):
        check_structure(nested(100_000))


def test_arrays_are_bounded_before_their_entries_are_read() -> None:
    check_structure(b"\x81\xa1a\xdd" + (100_000).to_bytes(4, "big") + bytes(100_000))
    with pytest.raises(WireError, match="array has at most 100000"):
        check_structure(b"\x81\xa1a\xdd\xff\xff\xff\xff")


def test_maps_are_bounded_before_their_entries_are_read() -> None:
    check_structure(msgpack.packb({"a": {str(i): i for i in range(1_024)}}))
    with pytest.raises(WireError, match="map has at most 1024"):
        check_structure(b"\x81\xa1a\xdf\xff\xff\xff\xff")


def test_the_values_of_all_containers_together_are_bounded() -> None:
    empty_maps = b"\x9f" + b"\x80" * 15
    with pytest.raises(WireError, match="too many values"):
        check_structure(b"\x81\xa1a\xdc\x27\x10" + empty_maps * 10_000)
