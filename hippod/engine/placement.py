"""Hashes that say where rows lie: the same on every machine and for all time."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import StringArray, Values

Hashes = npt.NDArray[np.uint64]


def hash_values(values: Values) -> Hashes:
    """uint64 (n,): a hash of whole numbers, bools or strings."""
    if isinstance(values, StringArray):
        return np.fromiter((zlib.crc32(cell) for cell in values.to_bytes_list()), np.uint64, len(values))
    assert isinstance(values, np.ndarray)
    return _mixed(values.astype(np.int64).view(np.uint64))


def combined_hash(hashes: Sequence[Hashes]) -> Hashes:
    """One hash of several fields; of a single one it is independent of that field's own."""
    out = np.zeros(len(hashes[0]), np.uint64)
    for part in hashes:
        out = _mixed(out + part)
    return out


def _mixed(x: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
