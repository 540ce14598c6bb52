"""How a search or query is, or was, carried out: what `explain` and `profile` of these operations answer."""

from __future__ import annotations

import enum

import msgspec


class SearchWay(enum.StrEnum):
    """INDEX: the trained part of the index answers. EXACT: every living row is scored. AMONG: every row that matches the filter is
    scored. OVER_FETCH: the index looks for matches among more than the k nearest rows; queries that find too few go on as AMONG. SCAN: the
    filter is evaluated over all cells. KEYS: the primary keys in the filter are looked up. ALL: there is no filter. NOTHING: no row can
    match."""

    INDEX = "index"
    EXACT = "exact"
    AMONG = "among"
    OVER_FETCH = "over_fetch"
    SCAN = "scan"
    KEYS = "keys"
    ALL = "all"
    NOTHING = "nothing"


class TabletPlan(msgspec.Struct, frozen=True):
    """One tablet: `rows` living ones, of which `matches` fulfil the filter, a `share` from 0.0 to 1.0; the `way` chosen. Of a search also
    how many rows to `fetch` from the index, the `engine` that answers, and its `effort` (leaves or candidates visited) and `reorder`, if it
    is trained; with a filter also an estimate of the processor time of a query, in microseconds, by which the way was chosen."""

    tablet: int
    partition: str | None
    rows: int
    matches: int
    share: float
    way: SearchWay
    fetch: int | None = None
    engine: str | None = None
    effort: int | None = None
    reorder: int | None = None
    cost_us: float | None = None


class Plan(msgspec.Struct, frozen=True):
    """What would be done. `filter_fields` are read by the filter; the partitions `excluded` have no row for it and are not looked at."""

    index: str | None
    metric: str | None
    filter_fields: list[str]
    excluded: list[str]
    tablets: list[TabletPlan]


class TabletProfile(msgspec.Struct, frozen=True):
    """What was done in one tablet; a search that took two ways has both, one after the other. `hits` come before tablets are merged."""

    tablet: int
    way: SearchWay
    fetch: int
    hits: int
    seconds: float


class Profile(msgspec.Struct, frozen=True):
    """What was done, in `seconds` of wall-clock time in all and by stage: filter, search, score_all (groups that no ranking
    filled), gather. Stages of tablets run side by side."""

    seconds: float
    stages: dict[str, float]
    matches: int | None
    tablets: list[TabletProfile]
