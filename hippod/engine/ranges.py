"""The part of a ranking that a search asks for: hits within a radius, from an offset on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from hippod.engine.index.exact import Hits
from hippod.engine.operations import Search
from hippod.engine.operations.queries import GROUP_SIZE_MAX, K_MAX
from hippod.errors import LimitExceeded, Rejected

_RADIUS_MAX = float(np.finfo(np.float32).max)


def rows_wanted(operation: Search) -> int:
    """How far down the ranking of a query the answer may reach: k rows, or k groups of group_size, behind the offset.

    Raises Rejected or LimitExceeded for an offset, a radius or groups that cannot be.
    """
    size = operation.group_size
    if not 1 <= size <= GROUP_SIZE_MAX:
        raise LimitExceeded(f"group_size is from 1 to {GROUP_SIZE_MAX}, not {size}", limit=GROUP_SIZE_MAX)
    if size > 1 and operation.group_by is None:
        raise Rejected("group_size is of searches with group_by", parameter="group_size")
    if operation.offset < 0:
        raise LimitExceeded(f"offset is 0 or more, not {operation.offset}", limit=0)
    wanted = (operation.offset + operation.k) * size
    if wanted > K_MAX:
        raise LimitExceeded(f"{wanted_rows_text(operation)} is at most {K_MAX}, not {wanted}", limit=K_MAX)
    if operation.radius is not None and not abs(operation.radius) <= _RADIUS_MAX:
        shown = "nan" if math.isnan(operation.radius) else f"{operation.radius:g}"
        raise Rejected(f"radius is a number that float32 can hold, not {shown}", parameter="radius")
    return wanted


def wanted_rows_text(operation: Search) -> str:
    """For people: what `rows_wanted` is the product of."""
    return "offset + k" if operation.group_by is None else "(offset + k) * group_size"


def deeper(params: Mapping[str, Any], wanted: int, fetch: int) -> Mapping[str, Any]:
    """The search parameters for a fetch of `fetch` rows: where that is more than were wanted, reorder and ef_search grow along."""
    if fetch <= wanted:
        return params
    grow = [name for name in ("reorder", "ef_search") if type(params.get(name)) is int and wanted <= params[name] < fetch]
    return {**params, **dict.fromkeys(grow, fetch)}


class Window(NamedTuple):
    """Hits of each query from `offset` on, among those that score `radius` or better (None: all)."""

    offset: int
    radius: float | None
    descending: bool

    def within(self, hits: Hits) -> Hits:
        """The hits within the radius. Scores are float32, and so is the bound that they are compared with."""
        if self.radius is None:
            return hits
        bound = np.float32(self.radius)
        good = hits.scores >= bound if self.descending else hits.scores <= bound
        good &= np.arange(hits.scores.shape[1]) < hits.counts[:, None]
        return Hits(hits.slots, hits.scores, good.sum(axis=1, dtype=np.int32))

    def of(self, hits: Hits) -> Hits:
        """The hits within the radius from the offset on."""
        hits = self.within(hits)
        if not self.offset:
            return hits
        counts = np.maximum(hits.counts - np.int32(self.offset), 0)
        return Hits(hits.slots[:, self.offset :], hits.scores[:, self.offset :], counts)
