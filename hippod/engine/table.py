"""A table in memory: its definition, its tablets, and where the row of each primary key lives.

A write to a table enters in two steps, as in its tablets: `stage` in the writer thread, `publish` on the event loop, where rows,
deaths and keys of all tablets change together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from hippod.engine.addresses import Addresses, addresses_in, gather_cells, split_by_tablet, tablets_of
from hippod.engine.arrays import Values, take_values
from hippod.engine.catalog import IndexDefinition, TableDefinition
from hippod.engine.catalog.settings import DELETION_SHARE
from hippod.engine.columns import FieldColumn
from hippod.engine.effects import RowsEffect
from hippod.engine.expr import Filter, compile_filter
from hippod.engine.index.builder import Progress
from hippod.engine.index.hosts import HostPool
from hippod.engine.index.matches import Experience, Matches
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.vector_index import VectorIndex
from hippod.engine.jobs import Job, Jobs
from hippod.engine.keyindex import KeyIndex, Located
from hippod.engine.matching import Matcher, matches_of_slots
from hippod.engine.operations import IndexState, Metric
from hippod.engine.operations.queries import FILTER_BYTES_MAX
from hippod.engine.routing import Router
from hippod.engine.schema import Field, Schema
from hippod.engine.search_shape import SearchShapes
from hippod.engine.tablet import Staged, Tablet
from hippod.errors import HippodError, IndexNotFound, LimitExceeded, Rejected, WrongState

_FILTERS_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class StagedWrite:
    """A write that waits to be published in one table. `located` are the keys of put rows, by tablet; `lost_keys` end without a row; `keys`
    is a roomier index, if one is needed."""

    tablets: list[tuple[Tablet, Staged]]
    located: Mapping[int, Located]
    lost_keys: Values | None
    keys: KeyIndex | None


class TabletMatches(NamedTuple):
    tablet: Tablet
    matches: Matches


class Table:
    """Owned by the engine, on the event loop. Closing it closes its tablets.

    `retired` makes the error that says why nobody may use it any more; a write that waited for its turn meanwhile gets it.
    """

    def __init__(self, definition: TableDefinition, data_dir: Path, hosts: HostPool, pool: SearchPool, jobs: Jobs) -> None:
        self.definition = definition
        self.search_shapes = SearchShapes()
        self._jobs = jobs
        self._hosts = hosts
        self._pool = pool
        self.schema: Schema = definition.schema
        self.index_dir = data_dir / "index" / str(definition.number)
        vectors_path = data_dir / "vectors" / str(definition.number)
        vectors_path.mkdir(parents=True, exist_ok=True)
        self._vectors_path = vectors_path
        self.tablets = {number: Tablet(definition.schema, number, vectors_path) for number in definition.tablet_numbers}
        self.matchers = {tablet.number: Matcher(tablet, pool) for tablet in self.tablets.values()}
        self.router = Router(definition)
        self.keys = KeyIndex(self._keys_at)
        self._filters: dict[str, Filter] = {}
        self._possible: dict[str, list[Tablet]] = {}
        self._index_scalars()
        self._keys_kept: KeyIndex | None = None
        self._columns_kept: dict[int, dict[int, FieldColumn]] | None = None
        self.last_generated_key = 0
        self.retired: Callable[[], HippodError] | None = None

    def adopt(self, definition: TableDefinition) -> list[Tablet]:
        """Become what the catalog says now; event loop only, or nobody else is there yet.

        Returns the tablets that it has no more, for the caller to give back: searches may still be in them. The dicts are replaced, not
        changed, so that whoever holds them sees the tablets of one time.
        """
        before, self.definition = self.definition, definition
        if definition.schema != before.schema:
            self._adopt_schema(definition.schema)
        for tablet in self.tablets.values():
            for name, live in tablet.indexes.items():
                self._keep_up(live, name)
        if definition.scalar_indexes != before.scalar_indexes or definition.schema != before.schema:
            self._index_scalars()
        if definition.partitioning == before.partitioning:
            return []
        numbers = definition.tablet_numbers
        gone = [tablet for number, tablet in self.tablets.items() if number not in set(numbers)]
        if gone:
            self.keys = self._keys_without(gone) if self._keys_kept is None else self._keys_kept
        self._keys_kept = None
        kept = self.tablets
        self.tablets = {number: kept.get(number) or Tablet(definition.schema, number, self._vectors_path) for number in numbers}
        self.matchers = {n: self.matchers.get(n) or Matcher(tablet, self._pool) for n, tablet in self.tablets.items()}
        self.router = Router(definition)
        self._possible = {}
        self._index_scalars()
        return gone

    def prepare_schema(self, schema: Schema) -> None:
        """Fill the columns of new fields, in the writer thread; `adopt` takes them when the fields are published."""
        self._columns_kept = self._new_columns(schema)

    def _new_columns(self, schema: Schema) -> dict[int, dict[int, FieldColumn]]:
        return {number: tablet.columns.new_columns(schema) for number, tablet in self.tablets.items()}

    def _adopt_schema(self, schema: Schema) -> None:
        added = self._new_columns(schema) if self._columns_kept is None else self._columns_kept
        self._columns_kept = None
        self.schema = schema
        for number, tablet in self.tablets.items():
            tablet.adopt(schema, added[number])
        self.matchers = {number: Matcher(tablet, self._pool) for number, tablet in self.tablets.items()}
        self.router = Router(self.definition)
        self._filters, self._possible = {}, {}

    def _index_scalars(self) -> None:
        numbers = {number for index in self.definition.scalar_indexes for number in index.fields}
        names = {field.number: field.name for field in self.schema.fields if field.number in numbers}
        for tablet in self.tablets.values():
            tablet.index_fields(names)

    def prepare_drop(self, numbers: frozenset[int]) -> None:
        """Make the key index without some tablets, in the writer thread; `adopt` takes it when the drop is published."""
        self._keys_kept = self._keys_without([self.tablets[number] for number in numbers])

    def _keys_without(self, tablets: Sequence[Tablet]) -> KeyIndex:
        numbers = np.array([tablet.number for tablet in tablets])
        return self.keys.kept(lambda addresses: ~np.isin(tablets_of(addresses), numbers))

    def begin_missing_indexes(self) -> None:
        """Let tablets that are new answer from every index that answers elsewhere, or is about to; event loop only."""
        for index in self.definition.indexes:
            missing = [tablet for tablet in self.tablets.values() if index.name not in tablet.indexes]
            if len(missing) < len(self.tablets) or (index.active and not index.released):
                for tablet in missing:
                    self._open_index_of(tablet, index).begin()

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

    def stage(self, effects: Sequence[RowsEffect], located: Mapping[int, Located], lost_keys: Values | None) -> StagedWrite:
        """Copy rows behind the published ones, where nobody sees them. `located` says where `keys` has theirs, by tablet.

        Raises StorageFull.
        """
        staged = [(self.tablets[e.tablet], self.tablets[e.tablet].stage(e.block, e.dead)) for e in effects]
        roomy = self.keys.grown(sum(part.count for _, part in staged))
        return StagedWrite(staged, located if roomy is None else self._located(roomy, effects), lost_keys, roomy)

    def _located(self, keys: KeyIndex, effects: Sequence[RowsEffect]) -> dict[int, Located]:
        """Where an index has the keys of put rows, by tablet."""
        number = self.schema.primary_key.number
        return {e.tablet: keys.locate(e.block.columns[number].values) for e in effects if e.block is not None}

    def publish(self, staged: StagedWrite) -> None:
        """Make a staged write visible to every reader; event loop only."""
        if staged.keys is not None:
            self.keys = staged.keys
        if staged.lost_keys is not None and len(staged.lost_keys):
            self.keys.remove(staged.lost_keys)
        for tablet, part in staged.tablets:
            first = tablet.columns.count
            tablet.publish(part)
            if part.count:
                addresses = addresses_in(tablet.number, np.arange(first, first + part.count, dtype=np.int64))
                self.keys.assign(staged.located[tablet.number], addresses)

    def restore_keys(self) -> None:
        """Enter the keys of all rows, once the tablets have them, at start."""
        roomy = self.keys.grown(self.row_count)
        self.keys = self.keys if roomy is None else roomy
        for tablet in self.tablets.values():
            if tablet.columns.count:
                addresses = addresses_in(tablet.number, np.arange(tablet.columns.count, dtype=np.int64))
                self.keys.assign(self.keys.locate(tablet.key_values()), addresses)

    def replay(self, effect: RowsEffect) -> None:
        """Apply a logged write at start. A dying row takes its key along, unless the key has gone on to another row already."""
        if len(effect.dead):
            tablet = self.tablets[effect.tablet]
            slots = tablet.columns.slots_of(effect.dead)
            keys = take_values(tablet.key_values(), slots)
            last = np.flatnonzero(self.keys.lookup(keys) == addresses_in(tablet.number, slots))
            self.publish(self.stage([replace(effect, block=None)], {}, take_values(keys, last)))
        if effect.block is not None:
            put = [replace(effect, dead=effect.dead[:0])]
            self.publish(self.stage(put, self._located(self.keys, put), None))

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
            return [TabletMatches(tablet, matches_of_slots(slots, tablet.columns.count, 0, Experience())) for tablet, _, slots in split]
        tablets = self.possible_tablets(text)
        found_of = await asyncio.gather(*(self.matchers[tablet.number].matches(text, condition) for tablet in tablets))
        return [TabletMatches(tablet, matches) for tablet, matches in zip(tablets, found_of, strict=True)]

    def possible_tablets(self, text: str) -> list[Tablet]:
        """The tablets in which a filter can find rows, from a small cache. Raises as `filter`."""
        found = self._possible.get(text)
        if found is None:
            numbers = self.router.possible_tablets(self.filter(text))
            found = list(self.tablets.values()) if numbers is None else [self.tablets[number] for number in numbers]
            if len(self._possible) >= _FILTERS_KEPT:
                self._possible.pop(next(iter(self._possible)))
            self._possible[text] = found
        return found

    def partition_of(self, tablet: int) -> str | None:
        """The name of the partition that a tablet is of."""
        partitioning = self.definition.partitioning
        return None if partitioning is None else next(p.name for p in partitioning.partitions if tablet in p.tablets)

    def forget_filters(self) -> None:
        """Drop all that is kept of filters."""
        self._filters.clear()
        self._possible.clear()
        for matcher in self.matchers.values():
            matcher.forget()

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
        if name is None and len(vectors) == 1:
            return vectors[0]
        if name is None:
            raise Rejected(f"this table has {len(vectors)} vector fields ({_names(vectors)}): name one with `field`", parameter="field")
        field = self.schema.field(name)
        if not field.is_vector:
            raise Rejected(
                f"field {name!r} is of type {field.type}, not a vector; vector fields of this table: {_names(vectors)}", field=name
            )
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
        live = [t.indexes[index.name].state for t in self.tablets.values() if index.name in t.indexes]
        if not index.active:
            return IndexState.BUILDING if live else IndexState.CREATED
        return IndexState.BUILDING if IndexState.BUILDING in live else IndexState.ACTIVE

    def open_index(self, index: IndexDefinition) -> list[VectorIndex]:
        """The live index objects of all tablets, made where they are missing."""
        return [tablet.indexes.get(index.name) or self._open_index_of(tablet, index) for tablet in self.tablets.values()]

    def _open_index_of(self, tablet: Tablet, index: IndexDefinition) -> VectorIndex:
        field = next(f for f in self.schema.fields if f.number == index.field)
        spec = IndexSpec.of(index.type, index.metric, index.params, field)
        directory = self.saved_index(index, tablet.number)
        live = VectorIndex(spec, tablet.rows[field.number], self._hosts, directory, self._pool, partial(self._show, index.name))
        self._keep_up(live, index.name)
        tablet.indexes[index.name] = live
        return live

    def _show(self, index: str, action: str) -> AbstractContextManager[Progress]:
        """Show as a job what an index does by itself."""
        return self._jobs.shown(Job(action, self.definition.database, self.definition.name, index))

    def _keep_up(self, live: VectorIndex, name: str) -> None:
        """Tell an index what the definition says about training it anew; nothing where it is not in it any more."""
        share = self.definition.settings.get(DELETION_SHARE)
        for index in self.definition.indexes:
            if index.name == name:
                live.keep_up(index.auto_compaction, share if isinstance(share, float) else None)

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


def _names(fields: tuple[Field, ...]) -> str:
    return ", ".join(field.name for field in fields) or "none"
