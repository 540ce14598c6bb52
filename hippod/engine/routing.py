"""Which tablet of a table a new row belongs to, from its primary key."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import StringArray, Values


def hash_values(values: Values) -> npt.NDArray[np.uint64]:
    """uint64 (n,): a hash of numbers or strings that is the same on every machine and for all time: rows are placed by it."""
    if isinstance(values, StringArray):
        return np.fromiter((zlib.crc32(cell) for cell in values.to_bytes_list()), np.uint64, len(values))
    assert isinstance(values, np.ndarray)
    return _mixed(values.astype(np.int64).view(np.uint64))


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class Router:
    """The rule of one table; fixed as long as its tablets are the same."""

    def __init__(self, shards: int) -> None:
        self._shards = shards

    def targets(self, keys: Values) -> npt.NDArray[np.int64] | None:
        """The tablet number of each row; None where the table has but one tablet, 0."""
        if self._shards == 1:
            return None
        return (hash_values(keys) % np.uint64(self._shards)).astype(np.int64)
