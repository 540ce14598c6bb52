"""Arrays and frames for the tests of the wire package: hypothesis strategies, and the golden frames of tests/data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from hippod_client.wire.arrays import DTYPE_NUMBERS, DTYPES, WireArray, WireBytes, WireStrings

GOLDEN_FILE = Path(__file__).parents[3] / "data" / "frames.json"

numbers = st.sampled_from(list(DTYPE_NUMBERS)).flatmap(
    lambda dtype: npst.arrays(dtype, st.one_of(st.tuples(st.integers(0, 9)), st.tuples(st.integers(0, 5), st.integers(1, 5))))
)
strings = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=8).map(WireStrings.of)
binaries = st.lists(st.binary(max_size=6), max_size=8).map(WireBytes.of_bytes)
wire_arrays = st.one_of(numbers, strings, binaries)


def same(left: WireArray, right: WireArray) -> bool:
    if isinstance(left, WireBytes) or isinstance(right, WireBytes):
        return isinstance(left, WireBytes) and isinstance(right, type(left)) and left.to_list() == right.to_list()
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


def golden_frames() -> list[dict[str, Any]]:
    """Frames with what they mean, as docs/protocol.md describes the file."""
    frames: list[dict[str, Any]] = json.loads(GOLDEN_FILE.read_text())["frames"]
    return frames


def refused_frames() -> list[dict[str, Any]]:
    """Frames that break the protocol: name, why, hex."""
    frames: list[dict[str, Any]] = json.loads(GOLDEN_FILE.read_text())["refused"]
    return frames


def golden_array(block: dict[str, Any]) -> WireArray:
    if block["dtype"] == "string":
        return WireStrings.of(block["values"])
    if block["dtype"] == "bytes":
        return WireBytes.of_bytes([bytes.fromhex(cell) for cell in block["values"]])
    return np.array(block["values"], DTYPES[block["number"]])
