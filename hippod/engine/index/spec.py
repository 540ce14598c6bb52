"""What an index is asked to be and how a search may tune it: type, metric and the parameters with their ranges.

Hippo's habits in one place: names in any case, numbers as strings of digits, null for absent, unknown keys ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from hippod.engine.index.recipe import Engine, Recipe, available_engines
from hippod.engine.operations.indexes import IndexType, Metric
from hippod.errors import Rejected

NLIST_MAX: Final = 65_536
REORDER_MAX: Final = 1_000_000
_ROWS_PER_LEAF_MIN: Final = 16
_E = TypeVar("_E", IndexType, Metric)


class Tuning(NamedTuple):
    """How one search uses a trained index: the `effort` it makes (leaves visited, or the length of a graph's candidate list) and
    how many candidates it reorders by their exact scores. What it means is the engine's; more of either finds more, and slower."""

    effort: int
    reorder: int


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """An index definition. Absent parameters are None: `nlist` leaves, default `nprobe` leaves visited, default `reorder`."""

    type: IndexType
    metric: Metric
    dimension: int
    nlist: int | None = None
    nprobe: int | None = None
    reorder: int | None = None

    @classmethod
    def of(cls, type_name: str, metric_name: str, params: Mapping[str, Any], dimension: int) -> IndexSpec:
        """The definition from what a client sent. Raises Rejected with the parameter and its range."""
        kind = _member(IndexType, "index type", type_name.upper())
        metric = _member(Metric, "metric", metric_name.lower())
        if kind is IndexType.FLAT:
            return cls(kind, metric, dimension)
        nlist = _whole(params, "nlist", NLIST_MAX)
        return cls(kind, metric, dimension, nlist, _whole(params, "nprobe", nlist or NLIST_MAX), _whole(params, "reorder", REORDER_MAX))

    def recipe(self, rows: int) -> Recipe | None:
        """What to build over so many rows; None: nothing, search exactly."""
        leaves = max(1, min(self.nlist or round(math.sqrt(rows)), rows // _ROWS_PER_LEAF_MIN, NLIST_MAX))
        if self.type is IndexType.FLAT or leaves == 1 or Engine.SCANN not in available_engines():
            return None
        return Recipe(Engine.SCANN, self.type, leaves)

    def tuning(self, params: Mapping[str, Any], k: int, recipe: Recipe) -> Tuning:
        """The tuning of a search for k rows in an index so built. Raises Rejected for values out of range."""
        nprobe = (_whole(params, "nprobe", NLIST_MAX) if params else None) or self.nprobe or default_nprobe(recipe.leaves)
        reorder = _whole(params, "reorder", REORDER_MAX) if params else None
        if reorder is not None and reorder < k:
            raise Rejected(f"reorder is at least k = {k}, not {reorder}", parameter="reorder")
        return Tuning(nprobe, max(reorder or self.reorder or default_reorder(k, self.metric), k))

    def check_search(self, params: Mapping[str, Any], k: int) -> None:
        """Raise Rejected for search parameters that no state of the index would take."""
        if params and self.type is not IndexType.FLAT:
            self.tuning(params, k, Recipe(Engine.SCANN, self.type, NLIST_MAX))


def default_nprobe(leaves: int) -> int:
    """Leaves visited when nobody says: about 0.95 of the true ten on text embeddings."""
    return max(1, min(leaves, round(1.9 * math.sqrt(leaves))))


def default_reorder(k: int, metric: Metric) -> int:
    """Candidates scored exactly when nobody says. L2 needs twice as many: ScaNN codes residuals only for dot products."""
    factor = 2 if metric is Metric.L2 else 1
    return factor * max(60, min(6 * k, k + 600))


def _member(kind: type[_E], what: str, name: str) -> _E:
    try:
        return kind(name)
    except ValueError:
        raise Rejected(f"no {what} {name[:40]!r}; there are {', '.join(kind)}", parameter=what) from None


def _whole(params: Mapping[str, Any], name: str, highest: int) -> int | None:
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        raise Rejected(f"{name} is a whole number from 1 to {highest}, not {str(value)[:40]!r}", parameter=name, limit=highest)
    return value
