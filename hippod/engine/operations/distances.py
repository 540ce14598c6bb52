"""Requests and results about the distances between given vectors and stored ones."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column
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
    """`vectors` float32 (n, dimension)."""

    vectors: npt.NDArray[np.float32]


class Distance(Operation, frozen=True, tag="distance"):
    """The score of each left vector with each right one, from the definition of the `metric` (l2, ip or cosine, in any case).

    Each side has 1 to DISTANCE_VECTORS_MAX vectors, both together at most DISTANCES_MAX pairs. NOT_FOUND names a key without a row.
    """

    is_read = True
    left: StoredVectors | GivenVectors
    right: StoredVectors | GivenVectors
    metric: str = "l2"


class DistanceResult(Result, frozen=True):
    """`distances` float32 (left, right), as scores of a search: squared for L2, similarities for IP and COSINE."""

    distances: npt.NDArray[np.float32]
