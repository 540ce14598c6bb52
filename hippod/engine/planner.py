"""How a filtered search of one tablet is carried out, chosen by what it is expected to cost.

    among      score exactly the rows that match: work grows with the number of matches
    over-fetch ask the index for more than k and keep what matches: work grows with 1 / (share of matches)

Costs are in vectors scored. Over-fetch expects the matches to be spread like the rest; where they are not, too few hits come back and
the search is repeated with twice as many, at last among the matches, so that fewer than k come back only if fewer match.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

FETCH_MAX: Final = 4_096
FETCH_MARGIN: Final = 1.5
AMONG_ROWS_CHEAP: Final = 1_000
# An index scores a row it was asked for about this many times as dearly as a plain product does: codes, leaves and reordering.
FETCH_COST: Final = 24


class Plan(NamedTuple):
    """`fetch` is None for a search among the matches, else how many rows to ask the index for."""

    fetch: int | None


def plan_filtered(k: int, matches: int, living: int, *, trained: bool) -> Plan:
    """The cheaper way to the `k` nearest of `matches` rows among `living`; without a trained index there is one way."""
    if not trained or matches <= max(AMONG_ROWS_CHEAP, k):
        return Plan(None)
    fetch = math.ceil(k * living / matches * FETCH_MARGIN) + k
    if fetch > min(FETCH_MAX, living // 4) or fetch * FETCH_COST >= matches:
        return Plan(None)
    return Plan(fetch)
