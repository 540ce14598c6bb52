"""Requests and results about the distances between given vectors and stored ones."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column, check_is_block
from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result

DISTANCES_MAX: Final = 1_000_000
DISTANCE_VECTORS_MAX: Final = 10_000


class StoredVectors(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="rows"):
    """The vectors of rows by primary key, in the order of `keys`; `field` may be left out when the table has one vector field."""

    table: str
    keys: Column
    field: str | None = None
    database: str = DEFAULT_DATABASE


class GivenVectors(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="vectors"):
    """`vectors` (a `Values`): float32 (n, dimension), uint8 (n, dimension / 8) or sparse."""

    vectors: Any

    def __post_init__(self) -> None:
        check_is_block(self.vectors)


class Distance(Operation, frozen=True, tag="distance"):
    """The score of each left vector with each right one, from the definition of the `metric` (in any case): l2, ip or
    cosine of float vectors, hamming or jaccard of binary ones, ip of sparse ones; without it the first of these.

    Each side has 1 to DISTANCE_VECTORS_MAX vectors, both together at most DISTANCES_MAX pairs. NOT_FOUND names a key without a row.
    """

    is_read = True
    left: StoredVectors | GivenVectors
    right: StoredVectors | GivenVectors
    metric: str | None = None


class DistanceResult(Result, frozen=True):
    """`distances` float32 (left, right), as scores of a search: squared for L2, similarities for IP and COSINE."""

    distances: npt.NDArray[np.float32]
