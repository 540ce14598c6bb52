"""How a filtered search of one tablet is carried out, chosen by what it is expected to cost.

    among      score exactly the rows that match: work grows with the number of matches
    over-fetch look for matches among the nearest rows that the index finds: work grows with how many these have to be

Over-fetch goes `depth` rows down the ranking of all rows, half as far again as to where the last of k matches is expected if they are
spread like the rest. A promise of recall is kept down to where it is expected, `promised`: there are the rows that match. Queries that find
fewer than k matches, because these lie elsewhere, are answered among the matches: fewer than k rows come back only if fewer match. How many
queries that happens to is remembered for each filter and depth, and counts as a cost of over-fetch. Without a trained index, or a curve for
the promise, there is one way.

Costs are microseconds of a processor for a query, between those of a lone one and of one in a batch of 16. They were measured by searches
of 62,666 x 384 and 1,000,000 x 128 on one core of an AMD EPYC; only their proportions matter. Scoring matches: 0.4 to 0.7 ns for each
dimension of each (alone; memory bounds it), 0.08 to 0.09 ns in batches. The index: 100 to 150 us for 10 rows, 260 to 320 us for 100 rows
with the same recall of all, 480 to 560 us for 1,000 with less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from hippod.engine.index.matches import Matches
from hippod.engine.index.vector_index import VectorIndex
from hippod.engine.ranges import deeper

# Few depths, so that searches share batches.
DEPTHS: Final = (30, 100, 300, 1_000, 3_000)
_MARGIN: Final = 1.5
_AMONG_US: Final = 20.0
_NS_PER_DIMENSION: Final = 0.2
# Per row: a score is ranked, which is as much as some dimensions more.
_DIMENSIONS_OF_A_ROW: Final = 16
# Of a binary vector: eight bytes are compared at once, for about the price of four numbers.
_BITS_OF_A_DIMENSION: Final = 16
_INDEX_US: Final = 130.0
_DEPTH_US: Final = 1.0


class Plan(NamedTuple):
    """`depth` is None for a search among the matches, else how many of the nearest rows to look at, and for how many of these a promise
    of recall is kept is `promised`; `cost_us` of one query."""

    depth: int | None
    promised: int
    cost_us: float


def plan_filtered(index: VectorIndex, k: int, params: Mapping[str, Any], matches: Matches, living: int) -> Plan:
    """The cheapest way to the `k` nearest of the matches, which are among `living` rows. Raises Rejected for bad search parameters."""
    count = len(matches.slots)
    dimensions = index.spec.dimension / (_BITS_OF_A_DIMENSION if index.spec.metric.is_binary else 1)
    among_us = _AMONG_US + count * (dimensions + _DIMENSIONS_OF_A_ROW) * _NS_PER_DIMENSION / 1_000
    best = Plan(None, 0, round(among_us, 1))
    if not matches.ident or not index.is_trained or count <= k:
        return best
    promised = math.ceil(k * living / count)
    expected = math.ceil(k * living / count * _MARGIN) + k
    for depth in DEPTHS:
        cost_us = _INDEX_US + depth * _DEPTH_US
        if depth < expected or cost_us >= best.cost_us:
            continue
        if index.tuning_for(depth, deeper(params, k, depth), promised) is None:
            break
        cost_us += matches.experience.lacking(depth) * among_us
        if cost_us < best.cost_us:
            best = Plan(depth, promised, round(cost_us, 1))
    return best
