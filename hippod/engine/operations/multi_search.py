"""Search over several tables at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column, check_is_block
from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result

TABLES_SEARCHED_MAX: Final = 64


class MultiSearch(Operation, frozen=True, tag="multi_search"):
    """The `k` nearest rows of each query vector over all tables that `pattern` means (names and aliases, `*`, commas), best first.

    Tables without the field, without an active index on it (or without `index`), and closed ones are left out; NOT_FOUND if none is
    left. Their indexes must have one metric. `output_fields` None means the primary keys; a field that a table lacks is null in its
    rows. The rest as in search; queries times offset + k times tables are at most HITS_MAX.
    """

    is_read = True
    pattern: str
    vectors: Any
    k: int = 10
    field: str | None = None
    filter: str = ""
    output_fields: list[str] | None = None
    index: str | None = None
    params: dict[str, Any] = {}
    offset: int = 0
    radius: float | None = None
    database: str = DEFAULT_DATABASE

    def __post_init__(self) -> None:
        check_is_block(self.vectors)


class MultiSearchResult(Result, frozen=True):
    """Hits of all queries one after the other: `counts` int32 (queries,), `scores` float32 (hits,), `columns` with hits rows; row i
    is of the table named `tables[origins[i]]` (int32), as database#table@id."""

    counts: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    columns: list[Column]
    tables: list[str]
    origins: npt.NDArray[np.int32]
