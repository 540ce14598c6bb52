"""Ranking by groups: which hits are of one group, and which of them an answer keeps. Arrays in, arrays out.

Groups are told apart by codes: numbers that are equal where the cells of the grouping field are equal.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import StringArray
from hippod.engine.rowblock import ColumnData
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import TypeMismatch

_GROUPING_TYPES: Final = frozenset(
    {
        *(DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64, DataType.FLOAT, DataType.DOUBLE, DataType.BOOL),
        *(DataType.DATE, DataType.TIME, DataType.TIMESTAMP, DataType.DATETIME),
    }
)

Codes = npt.NDArray[np.int64]


class Ranking(NamedTuple):
    """Hits of several queries, one query (rising) after the other, best first: each of shape (n,), `scores` float32, the rest int64."""

    queries: npt.NDArray[np.int64]
    addresses: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    codes: Codes

    def take(self, at: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Ranking:
        return Ranking(self.queries[at], self.addresses[at], self.scores[at], self.codes[at])

    @classmethod
    def joined(cls, first: Ranking, second: Ranking, *, descending: bool) -> Ranking:
        """The hits of both, ranked anew; of equal scores those of `first` come first."""
        both = cls(
            np.concatenate((first.queries, second.queries)),
            np.concatenate((first.addresses, second.addresses)),
            np.concatenate((first.scores, second.scores)),
            np.concatenate((first.codes, second.codes)),
        )
        return both.take(np.lexsort((-both.scores if descending else both.scores, both.queries)))

    @classmethod
    def empty(cls) -> Ranking:
        none = np.empty(0, np.int64)
        return cls(none, none, np.empty(0, np.float32), none)


def grouping_field(schema: Schema, name: str) -> Field:
    """The field called `name`. Raises FieldNotFound, or TypeMismatch where rows cannot be grouped by it."""
    field = schema.field(name)
    if not (field.type.is_string or field.type in _GROUPING_TYPES):
        raise TypeMismatch(f"rows cannot be grouped by field {name!r} of type {field.type}", field=name)
    return field


def codes_of(cells: ColumnData) -> Codes:
    """A code for each cell; nulls are equal to each other and to nothing else."""
    if isinstance(cells.values, StringArray):
        known: dict[bytes, int] = {}
        codes = np.fromiter((known.setdefault(cell, len(known)) for cell in cells.values.to_bytes_list()), np.int64, len(cells.values))
        count = len(known)
    else:
        assert isinstance(cells.values, np.ndarray)
        distinct, inverse = np.unique(cells.values, return_inverse=True)
        codes, count = inverse.astype(np.int64), len(distinct)
    return codes if cells.valid is None else np.where(cells.valid, codes, count)


def places(ranking: Ranking) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each hit, from 0: the rank of its group among the groups of the query, by their best hits, and its own rank within the group."""
    queries, codes = ranking.queries, ranking.codes
    pairs = queries * (codes.max(initial=0) + 1) + codes
    _, first, group_of = np.unique(pairs, return_index=True, return_inverse=True)
    sizes = np.bincount(group_of)
    within = np.empty(len(pairs), np.int64)
    within[np.argsort(group_of, kind="stable")] = np.arange(len(pairs)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    begins = np.zeros(len(pairs), np.int64)
    begins[first] = 1
    begun = np.cumsum(begins)
    start_of_query = np.searchsorted(queries, queries[first])
    return (begun[first] - begun[start_of_query])[group_of], within


def settled(ranking: Ranking, exhausted: npt.NDArray[np.bool_], groups: int, size: int, sizes: Codes | None) -> npt.NDArray[np.bool_]:
    """Which queries have all they can get: `groups` groups with `size` hits each, or all there is.

    `exhausted` (queries,) says whose ranking is complete. `sizes` are the rows of each code, where known: then a smaller group is
    full with less, and fewer groups are enough if there are no more.
    """
    group, within = places(ranking)
    full = np.int64(size) if sizes is None else np.clip(sizes[ranking.codes], 1, size)
    filled = np.bincount(ranking.queries[(group < groups) & (within == full - 1)], minlength=len(exhausted))
    enough = groups if sizes is None else min(groups, int(np.count_nonzero(sizes)))
    return exhausted | (filled >= enough)


def best_groups(ranking: Ranking, groups: int, size: int) -> Ranking:
    """The best `size` hits of each of the best `groups` groups of each query, still in order of score."""
    group, within = places(ranking)
    return ranking.take((group < groups) & (within < size))


def group_by_group(ranking: Ranking, offset: int, groups: int, size: int) -> Ranking:
    """The answer: groups by their best hit, from `offset` to `groups`, the best `size` hits of each together, best first."""
    group, within = places(ranking)
    kept = np.flatnonzero((group >= offset) & (group < groups) & (within < size))
    return ranking.take(kept[np.lexsort((within[kept], group[kept], ranking.queries[kept]))])
