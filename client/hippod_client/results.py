"""What calls return. Values only: no connection behind them, everything is there. Unknown fields of a reply are ignored.

Cells are converted from their blocks when they are first read, which a caller who needs only ids and scores never pays for. Arrays are
read-only views of the received frame: `.copy()` what must be written to or kept without its neighbours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hippod_client.columns import decode_cells
from hippod_client.errors import HippodError, server_error


class Record:
    """A result whose attributes are the fields of the reply with the same names."""

    __slots__ = ()

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Self:
        return cls(**{f.name: reply[f.name] for f in dataclasses.fields(cls)})  # type: ignore[arg-type]  # subclasses are dataclasses


@dataclass(frozen=True, slots=True)
class IndexInfo(Record):
    """`state`: created, building, active or released. `vectors` are in the trained part, each of which takes `bytes_per_vector` of memory;
    `fresh` are searched exactly beside it; `removed` died since it was trained. `engine` says what answers now, `building` what is being
    built to take its place; `auto_compaction`: whether it trains anew by itself."""

    index: str
    field: str
    type: str
    metric: str
    params: dict[str, Any]
    state: str
    engine: str
    vectors: int
    fresh: int
    memory_bytes: int
    removed: int
    building: str
    bytes_per_vector: float
    auto_compaction: bool


@dataclass(frozen=True, slots=True)
class JobInfo(Record):
    """`status`: pending, running, succeeded, failed or canceled; `progress` from 0.0 to 1.0; `vectors` handled by jobs of an
    index, `rows` by others; times in seconds since the epoch."""

    id: str
    action: str
    database: str
    table: str
    index: str
    status: str
    progress: float
    stage: str
    vectors: int
    started: float
    ended: float | None
    error: str | None
    rows: int

    @property
    def has_ended(self) -> bool:
        return self.ended is not None


@dataclass(frozen=True, slots=True)
class StatusInfo(Record):
    """`mode`: ready, read-only or log-stalled; LSNs count records of the log; sizes are bytes."""

    mode: str
    version: str
    server_id: str
    uptime_s: float
    durable_lsn: int
    applied_lsn: int
    overlay_bytes: int
    log_bytes: int
    tables: int
    rows: int
    index_hosts: int


@dataclass(frozen=True, slots=True)
class RowFailure(Record):
    """Row `position` (from 0, in the request) was not applied; `code` is one of the error codes."""

    position: int
    code: str
    message: str

    def to_error(self) -> HippodError:
        return server_error(self.code, self.message, {"position": self.position})


@dataclass(frozen=True, slots=True)
class WriteResult:
    """`count` rows were applied and are durable: all but those in `failures`. `keys`: generated primary keys, one a row sent."""

    count: int
    failures: tuple[RowFailure, ...]
    keys: Any = None

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> WriteResult:
        keys = reply.get("keys")
        return cls(
            count=reply["count"],
            failures=tuple(map(RowFailure.of, reply.get("failures", ()))),
            keys=None if keys is None else decode_cells(keys["values"], keys.get("valid")),
        )

    @property
    def succeeded(self) -> bool:
        """Whether every row was applied."""
        return not self.failures

    def raise_for_failures(self) -> Self:
        """Raise the error of the first row that failed, if any; else return the result."""
        if self.failures:
            raise self.failures[0].to_error()
        return self


class Columns(Mapping[str, Any]):
    """Field name -> cells of all rows: arrays for numbers and vectors (masked where null), lists for strings and array cells."""

    __slots__ = ("_blocks", "_cells")

    def __init__(self, columns: Sequence[Mapping[str, Any]]) -> None:
        self._blocks = {column["field"]: column for column in columns}
        self._cells: dict[str, Any] = {}

    def __getitem__(self, field: str) -> Any:
        cells = self._cells.get(field)
        if cells is None:
            block = self._blocks[field]
            cells = self._cells[field] = decode_cells(block["values"], block.get("valid"))
        return cells

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    def __repr__(self) -> str:
        return f"Columns({', '.join(self._blocks)})"

    def lists(self) -> dict[str, list[Any]]:
        """All columns as Python lists, None for null."""
        return {field: cells if isinstance(cells, list) else cells.tolist() for field, cells in self.items()}


class Rows(Sequence[dict[str, Any]]):
    """Rows in columns. `columns[field]` has one entry a row; as a sequence it yields dicts, None for null.

    Of `get`: `positions[i]` is the number of the key that row i answers; keys that were not found have no row.
    """

    __slots__ = ("_count", "_dicts", "columns", "positions")

    def __init__(self, count: int, columns: Columns, positions: npt.NDArray[np.int32] | None = None) -> None:
        self._count = count
        self._dicts: list[dict[str, Any]] | None = None
        self.columns = columns
        self.positions = positions

    @classmethod
    def of_query(cls, reply: Mapping[str, Any]) -> Rows:
        return cls(reply["rows"], Columns(reply["columns"]))

    @classmethod
    def of_get(cls, reply: Mapping[str, Any]) -> Rows:
        positions = reply["positions"]
        return cls(len(positions), Columns(reply["columns"]), positions)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: Any) -> Any:
        return self._as_dicts()[row]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._as_dicts())

    def __repr__(self) -> str:
        return f"Rows({self._count} of {', '.join(self.columns)})"

    def column(self, field: str) -> Any:
        return self.columns[field]

    def to_dicts(self) -> list[dict[str, Any]]:
        return list(self._as_dicts())

    def _as_dicts(self) -> list[dict[str, Any]]:
        if self._dicts is None:
            lists = self.columns.lists()
            self._dicts = (
                [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)] if lists else [{}] * self._count
            )
        return self._dicts


@dataclass(frozen=True, slots=True)
class Hit:
    """One row near a query. `id` is its primary key; `fields` are its output fields, the key among them."""

    id: Any
    score: float
    fields: dict[str, Any]


class Hits(Sequence[Hit]):
    """The hits of one query, best first: arrays `ids` (a list for string keys) and `scores`, or `Hit` by `Hit`."""

    __slots__ = ("_result", "_slice")

    def __init__(self, result: SearchResult, start: int, stop: int) -> None:
        self._result = result
        self._slice = slice(start, stop)

    @property
    def ids(self) -> Any:
        return self._result.ids[self._slice]

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        return self._result.scores[self._slice]

    def column(self, field: str) -> Any:
        return self._result.columns[field][self._slice]

    def __len__(self) -> int:
        return self._slice.stop - self._slice.start

    def __getitem__(self, rank: Any) -> Any:
        return self._result.hits[self._slice][rank]

    def __repr__(self) -> str:
        return f"Hits({list(self)!r})"


class SearchResult(Sequence[Hits]):
    """The hits of each query: `result[i]` are those of query i. `len` is the number of queries.

    counts   int32 (queries,)   hits of each query; fewer than k only where fewer rows match
    scores   float32 (hits,)    of all queries one after the other: l2 squared distances ascending, ip and cosine descending
    ids      (hits,)            primary keys, an array of ints or a list of strings
    columns  field -> (hits,)   cells of the output fields
    """

    __slots__ = ("_hits", "_key", "columns", "counts", "scores")

    def __init__(self, counts: npt.NDArray[np.int32], scores: npt.NDArray[np.float32], columns: Columns, key: str) -> None:
        self.counts = counts
        self.scores = scores
        self.columns = columns
        self._key = key
        self._hits: list[Hit] | None = None

    @property
    def ids(self) -> Any:
        return self.columns[self._key]

    @property
    def hits(self) -> list[Hit]:
        """All hits of all queries."""
        if self._hits is None:
            lists = self.columns.lists()
            scores = self.scores.tolist()
            ids = lists[self._key]
            rows = zip(*lists.values(), strict=True) if lists else [()] * len(scores)
            self._hits = [Hit(i, score, dict(zip(lists, row, strict=True))) for i, score, row in zip(ids, scores, rows, strict=True)]
        return self._hits

    def column(self, field: str) -> Any:
        return self.columns[field]

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, query: Any) -> Any:
        if isinstance(query, slice):
            return [self[i] for i in range(*query.indices(len(self)))]
        if not -len(self) <= query < len(self):
            raise IndexError(f"query {query} of {len(self)}")
        query %= len(self)
        start = int(self.counts[:query].sum())
        return Hits(self, start, start + int(self.counts[query]))

    def __repr__(self) -> str:
        return f"SearchResult({len(self)} queries, {len(self.scores)} hits)"
