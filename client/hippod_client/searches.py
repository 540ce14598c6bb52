"""What hybrid searches and distances are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hippod_client.columns import encode_cells, encode_vectors
from hippod_client.wire.bodies import Blocks


@dataclass(frozen=True, slots=True)
class PartialSearch:
    """One of the searches that `hybrid_search` fuses: its `k` best hits take part, with a `weight` of 0 or more.

    `vectors` (queries, dimension), or (dimension,) for one; as many in each search. `filter` None means that of the whole. `field`,
    `index`, `params` and `radius` as of `search`.
    """

    vectors: object
    k: int = 100
    field: str | None = None
    filter: str | None = None
    index: str | None = None
    params: Mapping[str, Any] | None = None
    radius: float | None = None
    weight: float = 1.0

    def to_wire(self, blocks: Blocks) -> dict[str, Any]:
        """Its map, the vectors moved to `blocks`."""
        given = {"field": self.field, "filter": self.filter, "index": self.index, "radius": self.radius}
        body = {name: value for name, value in given.items() if value is not None}
        vectors = blocks.refer(encode_vectors(self.vectors))
        return {"vectors": vectors, "k": self.k, "weight": self.weight, "params": dict(self.params or {}), **body}


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """The vectors of rows by primary key, in the order of `keys`. `field` may be left out if the table has one vector field."""

    table: str
    keys: object
    field: str | None = None

    def to_wire(self, database: str, blocks: Blocks) -> dict[str, Any]:
        """Its map, the keys moved to `blocks`."""
        keys = {"field": "", "values": blocks.refer(encode_cells("keys", self.keys).values)}
        return {"of": "rows", "table": self.table, "keys": keys, "field": self.field, "database": database}
