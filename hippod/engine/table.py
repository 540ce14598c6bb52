"""A table in memory: its definition, its tablets, and where the row of each primary key lives.

A write to a table enters in two steps, as in its tablets: `stage` in the writer thread, `publish` on the event loop, where rows,
deaths and keys of all tablets change together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from hippod.engine.addresses import Addresses, addresses_in, gather_cells, split_by_tablet
from hippod.engine.arrays import Values, take_values
from hippod.engine.catalog import IndexDefinition, TableDefinition
from hippod.engine.effects import RowsEffect
from hippod.engine.expr import Filter, compile_filter
from hippod.engine.index.hosts import HostPool
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.vector_index import VectorIndex
from hippod.engine.keyindex import KeyIndex
from hippod.engine.matching import Matcher, Matches, matches_of_slots
from hippod.engine.operations import IndexState, Metric
from hippod.engine.operations.queries import FILTER_BYTES_MAX
from hippod.engine.routing import Router
from hippod.engine.schema import Field, Schema
from hippod.engine.tablet import Staged, Tablet
from hippod.errors import HippodError, IndexNotFound, LimitExceeded, Rejected, WrongState

_FILTERS_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class StagedWrite:
    """A write that waits to be published in one table. `lost_keys` end without a row; `keys` is a roomier index, if one is needed."""

    tablets: list[tuple[Tablet, Staged]]
    lost_keys: Values | None
    keys: KeyIndex | None


class TabletMatches(NamedTuple):
    tablet: Tablet
    matches: Matches


class Table:
    """Owned by the engine, on the event loop. Closing it closes its tablets.

    `retired` makes the error that says why nobody may use it any more; a write that waited for its turn meanwhile gets it.
    """

    def __init__(self, definition: TableDefinition, data_dir: Path, hosts: HostPool, pool: SearchPool) -> None:
        self.definition = definition
        self._hosts = hosts
        self._pool = pool
        self.schema: Schema = definition.schema
        self.index_dir = data_dir / "index" / str(definition.number)
        vectors_path = data_dir / "vectors" / str(definition.number)
        vectors_path.mkdir(parents=True, exist_ok=True)
        self._vectors_path = vectors_path
        self.tablets = {number: Tablet(definition.schema, number, vectors_path) for number in range(definition.tablets)}
        self.matchers = {tablet.number: Matcher(tablet, pool) for tablet in self.tablets.values()}
        self.router = Router(definition.tablets)
        self.keys = KeyIndex(self._keys_at)
        self._filters: dict[str, Filter] = {}
        self.last_generated_key = 0
        self.retired: Callable[[], HippodError] | None = None

    def adopt(self, definition: TableDefinition) -> None:
        """Become what the catalog says now; event loop only, or nobody else is there yet."""
        self.definition = definition

    @property
    def number(self) -> int:
        return self.definition.number

    @property
    def row_count(self) -> int:
        return sum(t.columns.live_count for t in self.tablets.values())

    def _keys_at(self, addresses: Addresses) -> Values:
        return gather_cells(self.tablets, self.schema.primary_key, addresses).values

    def require_open(self) -> None:
        """Raise TableNotFound or TableClosed if the table was dropped or closed since the caller got hold of it."""
        if self.retired is not None:
            raise self.retired()

    def stage(self, effects: Sequence[RowsEffect], lost_keys: Values | None) -> StagedWrite:
        """Copy rows behind the published ones, where nobody sees them. Raises StorageFull."""
        staged = [(self.tablets[e.tablet], self.tablets[e.tablet].stage(e.block, e.dead)) for e in effects]
        return StagedWrite(staged, lost_keys, self.keys.grown(sum(part.count for _, part in staged)))

    def publish(self, staged: StagedWrite) -> None:
        """Make a staged write visible to every reader; event loop only."""
        if staged.keys is not None:
            self.keys = staged.keys
        if staged.lost_keys is not None and len(staged.lost_keys):
            self.keys.remove(staged.lost_keys)
        for tablet, part in staged.tablets:
            first = tablet.columns.count
            tablet.publish(part)
            if part.keys is not None:
                self.keys.assign(part.keys, addresses_in(tablet.number, np.arange(first, first + part.count, dtype=np.int64)))

    def restore_keys(self) -> None:
        """Enter the keys of all rows, once the tablets have them, at start."""
        roomy = self.keys.grown(self.row_count)
        self.keys = self.keys if roomy is None else roomy
        for tablet in self.tablets.values():
            if tablet.columns.count:
                self.keys.assign(tablet.key_values(), addresses_in(tablet.number, np.arange(tablet.columns.count, dtype=np.int64)))

    def replay(self, effect: RowsEffect) -> None:
        """Apply a logged write at start. A dying row takes its key along, unless the key has gone on to another row already."""
        tablet = self.tablets[effect.tablet]
        lost = None
        if len(effect.dead):
            slots = tablet.columns.slots_of(effect.dead)
            keys = take_values(tablet.key_values(), slots)
            last = np.flatnonzero(self.keys.lookup(keys) == addresses_in(tablet.number, slots))
            lost = take_values(keys, last)
        self.publish(self.stage([effect], lost))

    def filter(self, text: str) -> Filter:
        """The compiled filter, from a small cache. Raises FilterError or LimitExceeded."""
        found = self._filters.get(text)
        if found is None:
            found = compile_filter(text, self.schema)
            if len(self._filters) >= _FILTERS_KEPT:
                self._filters.pop(next(iter(self._filters)))
            self._filters[text] = found
        return found

    async def matches(self, text: str) -> list[TabletMatches]:
        """The living rows that match a filter, in the tablets that can have some; evaluated in the search pool."""
        if len(text) > FILTER_BYTES_MAX:
            raise LimitExceeded(f"a filter has at most {FILTER_BYTES_MAX} characters", limit=FILTER_BYTES_MAX)
        condition = self.filter(text)
        keys = condition.key_values()
        if keys is not None:
            found = self.keys.lookup(keys)
            found = np.unique(found[found >= 0])
            split = split_by_tablet(self.tablets, found)
            return [TabletMatches(tablet, matches_of_slots(slots, tablet.columns.count)) for tablet, _, slots in split]
        tablets = list(self.tablets.values())
        found_of = await asyncio.gather(*(self.matchers[tablet.number].matches(text, condition) for tablet in tablets))
        return [TabletMatches(tablet, matches) for tablet, matches in zip(tablets, found_of, strict=True)]

    def output_fields(self, names: list[str] | None, default: tuple[Field, ...]) -> tuple[Field, ...]:
        if names is None:
            return default
        fields = tuple(self.schema.field(name) for name in names)
        if len(set(names)) != len(names):
            raise Rejected("output_fields names a field twice")
        return fields

    def vector_field(self, name: str | None) -> Field:
        """The vector field called `name`, or the only one."""
        vectors = self.schema.vector_fields
        if name is None:
            if len(vectors) != 1:
                raise Rejected(f"this table has {len(vectors)} vector fields: name one with `field`")
            return vectors[0]
        field = self.schema.field(name)
        if not field.is_vector:
            raise Rejected(f"field {name!r} is of type {field.type}, not a vector", field=name)
        return field

    def cosine_fields(self) -> frozenset[int]:
        return frozenset(i.field for i in self.definition.indexes if i.metric is Metric.COSINE)

    def searchable_index(self, field: Field, name: str | None) -> IndexDefinition:
        """The index that answers a search on `field`: the named one, else the first active one."""
        if name is not None:
            index = self.definition.index(name)
            if index.field != field.number:
                raise Rejected(f"index {name!r} is not on field {field.name!r}", index=name)
            self._require_searchable(index)
            return index
        candidates = [i for i in self.definition.indexes if i.field == field.number]
        for index in candidates:
            if self.state_of(index) in (IndexState.ACTIVE, IndexState.BUILDING) and not index.released:
                return index
        if not candidates:
            raise IndexNotFound(f"field {field.name!r} has no index: create one and activate it", field=field.name)
        self._require_searchable(candidates[0])
        return candidates[0]

    def _require_searchable(self, index: IndexDefinition) -> None:
        if index.released:
            raise WrongState(f"index {index.name!r} is released: load it first", index=index.name)
        if self.state_of(index) is IndexState.CREATED:
            raise WrongState(f"index {index.name!r} is not active: activate it first", index=index.name)

    def state_of(self, index: IndexDefinition) -> IndexState:
        if index.released:
            return IndexState.RELEASED
        live = [t.indexes[index.name].describe().state for t in self.tablets.values() if index.name in t.indexes]
        if not index.active:
            return IndexState.BUILDING if live else IndexState.CREATED
        return IndexState.BUILDING if IndexState.BUILDING in live else IndexState.ACTIVE

    def open_index(self, index: IndexDefinition) -> list[VectorIndex]:
        """The live index objects of all tablets, made where they are missing."""
        field = next(f for f in self.schema.fields if f.number == index.field)
        spec = IndexSpec.of(index.type, index.metric, index.params, field.dimension or 0)
        for tablet in self.tablets.values():
            if index.name not in tablet.indexes:
                directory = self.saved_index(index, tablet.number)
                tablet.indexes[index.name] = VectorIndex(spec, tablet.rows[field.number], self._hosts, directory, self._pool)
        return [t.indexes[index.name] for t in self.tablets.values()]

    def saved_index(self, index: IndexDefinition, tablet: int) -> Path:
        """Where the saved files of an index of one tablet lie."""
        return self.index_dir / f"{index.number}-{tablet}"

    def take_index(self, name: str) -> list[VectorIndex]:
        """Remove and return the live objects of an index; the caller closes or drops them."""
        return [t.indexes.pop(name) for t in self.tablets.values() if name in t.indexes]

    def live_indexes(self) -> Iterator[VectorIndex]:
        for tablet in self.tablets.values():
            yield from tablet.indexes.values()

    def close(self) -> None:
        for tablet in self.tablets.values():
            tablet.close()
        self._vectors_path.rmdir()
