"""Requests and results of reading by condition and by likeness."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column, check_is_block
from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result
from hippod.engine.operations.plans import Plan, Profile

K_MAX: Final = 10_000
QUERIES_MAX: Final = 10_000
HITS_MAX: Final = 1_000_000
GROUP_SIZE_MAX: Final = 100
QUERY_ROWS_MAX: Final = 100_000
FILTER_BYTES_MAX: Final = 65_536


class Query(Operation, frozen=True, tag="query"):
    """Rows that match `filter` (empty: all) in primary key order; `output_fields` None means all scalar fields.

    `after`, which is `next` of an earlier page, leaves out the rows up to the last one of that page; `offset` counts from there. `explain`:
    answer with the plan alone, and no rows. `profile`: answer with counts and times beside the rows.
    """

    is_read = True
    table: str
    filter: str = ""
    output_fields: list[str] | None = None
    limit: int = 1_000
    offset: int = 0
    after: str | None = None
    explain: bool = False
    profile: bool = False
    database: str = DEFAULT_DATABASE


class QueryResult(Result, frozen=True, omit_defaults=True):
    """The output fields in the order asked, `rows` entries each; `next` if there are more behind them; `plan` and `profile` if asked
    for."""

    columns: list[Column]
    rows: int
    next: str | None = None
    plan: Plan | None = None
    profile: Profile | None = None


class Count(Operation, frozen=True, tag="count"):
    """How many rows match `filter` (empty: all)."""

    is_read = True
    table: str
    filter: str = ""
    database: str = DEFAULT_DATABASE


class CountResult(Result, frozen=True):
    """The number of rows."""

    count: int


class Search(Operation, frozen=True, tag="search"):
    """The `k` nearest rows of each query vector, best first.

    `vectors` (a `Values`) are as rows have them: float32 (queries, dimension), uint8 (queries, dimension / 8) for a binary field, or
    sparse vectors. `field` may be left out when the table has one vector field; `index` names one, else the first active index on the
    field answers. `params`: `nprobe` (leaves to search) and `reorder` (candidates scored exactly) of partitioned indexes, `ef_search`
    of graphs; unknown keys are ignored. `output_fields` come beside the primary key, which always comes. `explain`: answer with the plan
    alone, and no hits. `profile`: answer with counts and times beside the hits.

    `offset` leaves out the best hits. `radius` leaves out what scores worse: a greatest score where scores are distances, a least one
    where they are similarities. `group_by` names a scalar field: then k and offset count groups of rows with an equal value (null is
    one), each with its best `group_size` rows one after the other, the group with the best row first; the field comes with the hits.
    """

    is_read = True
    table: str
    vectors: Any
    k: int = 10
    field: str | None = None
    filter: str = ""
    output_fields: list[str] | None = None
    index: str | None = None
    params: dict[str, Any] = {}
    offset: int = 0
    radius: float | None = None
    group_by: str | None = None
    group_size: int = 1
    explain: bool = False
    profile: bool = False
    database: str = DEFAULT_DATABASE

    def __post_init__(self) -> None:
        check_is_block(self.vectors)


class SearchResult(Result, frozen=True, omit_defaults=True):
    """Hits of all queries one after the other: `counts` int32 (queries,), `scores` float32 (hits,), `columns` with hits rows;
    `key` names the column of primary keys.

    L2 scores are squared distances, HAMMING and JACCARD distances, ascending; IP and COSINE are similarities, descending. `plan` and
    `profile` if asked for.
    """

    counts: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    columns: list[Column]
    key: str
    plan: Plan | None = None
    profile: Profile | None = None
