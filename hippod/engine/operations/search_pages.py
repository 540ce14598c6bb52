"""A whole ranking of rows, page by page."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column, check_is_block
from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result


class SearchPage(Operation, frozen=True, tag="search_page"):
    """The next `k` rows by likeness to one query vector; `after` is `next` of the page before, absent for the first one.

    The first page is that of search: with `params`, as near to the truth as the index comes. All others rank exactly the rows that have not
    been given: by score and, where it is equal, by primary key. So all rows come (within the `radius`, that match `filter`), none of them
    twice. Later pages take the same arguments as the first. Rows that are written after the first page was asked for are in none; rows that
    are replaced or deleted meanwhile come no more. `output_fields`, `field` and `index` as in search.
    """

    is_read = True
    table: str
    vectors: Any
    k: int = 1_000
    field: str | None = None
    filter: str = ""
    output_fields: list[str] | None = None
    index: str | None = None
    params: dict[str, Any] = {}
    radius: float | None = None
    after: str | None = None
    database: str = DEFAULT_DATABASE

    def __post_init__(self) -> None:
        check_is_block(self.vectors)


class SearchPageResult(Result, frozen=True, omit_defaults=True):
    """`scores` float32 (rows,) and `columns` with as many rows, best first, `key` names the column of primary keys; `next` is absent on
    the last page, which may be empty."""

    scores: npt.NDArray[np.float32]
    columns: list[Column]
    key: str
    next: str | None = None
