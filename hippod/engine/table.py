"""A table in memory: its definition, its tablets, and which tablet a key belongs to."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import StringArray, Values
from hippod.engine.catalog import IndexDefinition, TableDefinition
from hippod.engine.expr import Filter, compile_filter
from hippod.engine.index.hosts import HostPool
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.vector_index import VectorIndex
from hippod.engine.matching import Matcher
from hippod.engine.operations import IndexState, Metric
from hippod.engine.schema import Field, Schema
from hippod.engine.tablet import Tablet
from hippod.errors import HippodError, IndexNotFound, Rejected, WrongState

_FILTERS_KEPT: Final = 256


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
        self.tablets = [Tablet(definition.schema, number, vectors_path) for number in range(definition.tablets)]
        self.matchers = [Matcher(tablet, pool) for tablet in self.tablets]
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
        return sum(t.columns.live_count for t in self.tablets)

    def route(self, keys: Values) -> npt.NDArray[np.int64]:
        """The tablet number of each key. Fixed for all time: rows are found by it."""
        if len(self.tablets) == 1:
            return np.zeros(len(keys), np.int64)
        if isinstance(keys, StringArray):
            hashes = np.fromiter((zlib.crc32(k) for k in keys.to_bytes_list()), np.uint64, len(keys))
        else:
            # The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
            assert isinstance(keys, np.ndarray)
            x = keys.astype(np.int64).view(np.uint64)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            hashes = x ^ (x >> np.uint64(31))
        return (hashes % np.uint64(len(self.tablets))).astype(np.int64)

    def filter(self, text: str) -> Filter:
        """The compiled filter, from a small cache. Raises FilterError or LimitExceeded."""
        found = self._filters.get(text)
        if found is None:
            found = compile_filter(text, self.schema)
            if len(self._filters) >= _FILTERS_KEPT:
                self._filters.pop(next(iter(self._filters)))
            self._filters[text] = found
        return found

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
        live = [t.indexes[index.name].describe().state for t in self.tablets if index.name in t.indexes]
        if not index.active:
            return IndexState.BUILDING if live else IndexState.CREATED
        return IndexState.BUILDING if IndexState.BUILDING in live else IndexState.ACTIVE

    def open_index(self, index: IndexDefinition) -> list[VectorIndex]:
        """The live index objects of all tablets, made where they are missing."""
        field = next(f for f in self.schema.fields if f.number == index.field)
        spec = IndexSpec.of(index.type, index.metric, index.params, field.dimension or 0)
        for tablet in self.tablets:
            if index.name not in tablet.indexes:
                directory = self.saved_index(index, tablet.number)
                tablet.indexes[index.name] = VectorIndex(spec, tablet.rows[field.number], self._hosts, directory, self._pool)
        return [t.indexes[index.name] for t in self.tablets]

    def saved_index(self, index: IndexDefinition, tablet: int) -> Path:
        """Where the saved files of an index of one tablet lie."""
        return self.index_dir / f"{index.number}-{tablet}"

    def take_index(self, name: str) -> list[VectorIndex]:
        """Remove and return the live objects of an index; the caller closes or drops them."""
        return [t.indexes.pop(name) for t in self.tablets if name in t.indexes]

    def live_indexes(self) -> Iterator[VectorIndex]:
        for tablet in self.tablets:
            yield from tablet.indexes.values()

    def close(self) -> None:
        for tablet in self.tablets:
            tablet.close()
        self._vectors_path.rmdir()
