"""Which tablet of a table a new row belongs to: its partition by some of its fields, there a tablet by its primary key."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Values
from hippod.engine.catalog import TableDefinition
from hippod.engine.expr import Filter
from hippod.engine.partitions import Partitions
from hippod.engine.placement import hash_values
from hippod.engine.rowblock import ColumnData
from hippod.engine.schema import Field


class Router:
    """The rule of one table; fixed as long as its tablets are the same."""

    def __init__(self, definition: TableDefinition) -> None:
        self._shards = definition.tablets
        self._partitions: Partitions | None = None
        if definition.partitioning is not None:
            self._partitions = Partitions(definition.partitioning, definition.schema)
            numbers = [partition.tablets for partition in definition.partitioning.partitions]
            self._tablets = np.array(numbers, np.int64).reshape(len(numbers), self._shards)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields beside the primary key that `targets` has to know."""
        return () if self._partitions is None else self._partitions.fields

    def targets(self, keys: Values, columns: Mapping[int, ColumnData]) -> npt.NDArray[np.int64] | None:
        """int64 (n,): the tablet number of each row, -1 where no partition takes it; None where the table has but one tablet, 0.

        `columns` has those of `fields`, by number.
        """
        if self._partitions is None:
            return None if self._shards == 1 else self._shard_of(keys)
        places = self._partitions.places(columns)
        if not len(self._tablets):
            return places
        shards = np.zeros(len(places), np.int64) if self._shards == 1 else self._shard_of(keys)
        return np.where(places < 0, -1, self._tablets[places, shards])

    def possible_tablets(self, condition: Filter) -> list[int] | None:
        """The numbers of the tablets in which rows can match; None means all."""
        if self._partitions is None:
            return None
        found: list[int] = self._tablets[self._partitions.possible(condition)].reshape(-1).tolist()
        return found

    def _shard_of(self, keys: Values) -> npt.NDArray[np.int64]:
        return (hash_values(keys) % np.uint64(self._shards)).astype(np.int64)
