"""What a search over several tables returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hippod_client.results import Columns


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One row near a query. `table` is its table as database#table@id; `fields` are its output fields."""

    table: str
    score: float
    fields: dict[str, Any]


class MultiSearchResult(Sequence[list[FoundRow]]):
    """The rows found for each query: `result[i]` are those of query i, best first. `len` is the number of queries.

    counts   int32 (queries,)   rows of each query
    scores   float32 (rows,)    of all queries one after the other
    tables                      names as database#table@id
    origins  int32 (rows,)      row i is of the table tables[origins[i]]
    columns  field -> (rows,)   cells of the output fields; null where a table lacks the field
    """

    __slots__ = ("_rows", "columns", "counts", "origins", "scores", "tables")

    def __init__(
        self,
        counts: npt.NDArray[np.int32],
        scores: npt.NDArray[np.float32],
        columns: Columns,
        tables: list[str],
        origins: npt.NDArray[np.int32],
    ) -> None:
        self.counts = counts
        self.scores = scores
        self.columns = columns
        self.tables = tables
        self.origins = origins
        self._rows: list[FoundRow] | None = None

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> MultiSearchResult:
        return cls(reply["counts"], reply["scores"], Columns(reply["columns"]), list(reply["tables"]), reply["origins"])

    @property
    def rows(self) -> list[FoundRow]:
        """All rows of all queries."""
        if self._rows is None:
            lists = self.columns.lists()
            cells = zip(*lists.values(), strict=True) if lists else [()] * len(self.scores)
            found = zip(self.origins.tolist(), self.scores.tolist(), cells, strict=True)
            self._rows = [FoundRow(self.tables[table], score, dict(zip(lists, row, strict=True))) for table, score, row in found]
        return self._rows

    def column(self, field: str) -> Any:
        return self.columns[field]

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, query: Any) -> Any:
        if isinstance(query, slice):
            return [self[i] for i in range(*query.indices(len(self)))]
        if not -len(self) <= query < len(self):
            raise IndexError(f"query {query} of {len(self)}")
        start = int(self.counts[: query % len(self)].sum())
        return self.rows[start : start + int(self.counts[query])]

    def __repr__(self) -> str:
        return f"MultiSearchResult({len(self)} queries, {len(self.scores)} rows of {len(self.tables)} tables)"
