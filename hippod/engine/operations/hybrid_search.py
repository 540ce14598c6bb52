"""Several searches of one table whose rankings become one."""

from __future__ import annotations

import enum
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column, check_is_block
from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result
from hippod.engine.operations.plans import Plan, Profile

SEARCHES_MAX: Final = 16
WEIGHT_MAX: Final = 1_000_000
RANK_CONSTANT_MAX: Final = 1_000_000


class Fusion(enum.StrEnum):
    """What a hit adds to the score of its row. RRF: 1 / (rank_constant + rank), whatever its score. WEIGHTED: its score, brought to 0..1 by
    a formula of the metric. RELATIVE: its score, brought to 0..1 between the worst and the best hit of its search. All times weight."""

    RRF = "rrf"
    WEIGHTED = "weighted"
    RELATIVE = "relative"


class PartialSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the searches: its `k` best hits take part, with a `weight` of 0 to WEIGHT_MAX. `filter` None means that of the whole; the
    rest is as in search."""

    vectors: Any
    k: int = 100
    field: str | None = None
    filter: str | None = None
    index: str | None = None
    params: dict[str, Any] = {}
    radius: float | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_is_block(self.vectors)


class HybridSearch(Operation, frozen=True, tag="hybrid_search"):
    """The `limit` best rows by 1 to SEARCHES_MAX searches together, from `offset` on, for each query.

    The searches may be on different fields and of different kinds; each has as many query vectors as the others, and all see the rows of
    one moment. The score of a row is the sum of what its hits add by `fusion`, divided by the sum of the weights for WEIGHTED and
    RELATIVE. `rank_constant` is from 0 to RANK_CONSTANT_MAX. `filter` is that of searches without one of their own. Queries times the k of
    all searches are at most HITS_MAX. `output_fields`, `explain` and `profile` as in search.
    """

    is_read = True
    table: str
    searches: list[PartialSearch]
    limit: int = 10
    offset: int = 0
    fusion: Fusion = Fusion.RRF
    rank_constant: float = 60.0
    filter: str = ""
    output_fields: list[str] | None = None
    explain: bool = False
    profile: bool = False
    database: str = DEFAULT_DATABASE


class HybridSearchResult(Result, frozen=True, omit_defaults=True):
    """As the result of search, with fused `scores`, the highest first; `plans` or `profiles`, one a search, if asked for."""

    counts: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    columns: list[Column]
    key: str
    plans: list[Plan] | None = None
    profiles: list[Profile] | None = None
