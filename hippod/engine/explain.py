"""Plans and profiles: what a search or query is going to do in which tablet, and what it did."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from hippod.engine.catalog import IndexDefinition
from hippod.engine.index.exact import Hits
from hippod.engine.index.matches import Matches
from hippod.engine.operations import Plan, Profile, Query, Search, SearchWay, TabletPlan, TabletProfile
from hippod.engine.planner import plan_filtered
from hippod.engine.ranges import deeper
from hippod.engine.table import Table
from hippod.engine.tablet import Tablet


class Trace:
    """The stages and ways of one search or query while it runs; event loop only."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._stages: dict[str, float] = {}
        self._tablets: list[TabletProfile] = []
        self.matches: int | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is inside; what comes again is added."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._stages[name] = round(self._stages.get(name, 0.0) + time.perf_counter() - started, 6)

    @contextmanager
    def way(self, tablet: Tablet, way: SearchWay, fetch: int) -> Iterator[Callable[[Hits], Hits]]:
        """Time a way through one tablet; inside, what is given gets the hits that were found and returns them."""
        started = time.perf_counter()

        def took(hits: Hits) -> Hits:
            seconds = round(time.perf_counter() - started, 6)
            self._tablets.append(TabletProfile(tablet.number, way, fetch, int(hits.counts.sum()), seconds))
            return hits

        yield took

    def profile(self) -> Profile:
        return Profile(round(time.perf_counter() - self._started, 6), self._stages, self.matches, self._tablets)


class _Looked(NamedTuple):
    """A tablet that is looked at, with what matches in it; None: there is no filter."""

    tablet: Tablet
    matches: Matches | None


async def plan_search(table: Table, index: IndexDefinition, operation: Search) -> Plan:
    """The plan of a search, as of now. The filter is evaluated, as the search would do it; nothing is searched. Raises Rejected."""
    looked = await _looked_at(table, operation.filter)
    tablets = [_search_in(table, index, operation, *one) for one in looked]
    return Plan(index.name, index.metric.value, _fields(table, operation.filter), _excluded(table, operation.filter), tablets)


def _search_in(table: Table, index: IndexDefinition, operation: Search, tablet: Tablet, matches: Matches | None) -> TabletPlan:
    live = tablet.indexes[index.name]
    description = live.describe()
    rows = tablet.columns.live_count
    count = rows if matches is None else len(matches.slots)
    fetch: int | None = operation.k
    promised, cost_us = operation.k, None
    if matches is None:
        way = SearchWay.EXACT if live.tuning_for(operation.k, operation.params, operation.k) is None else SearchWay.INDEX
    else:
        fetch, promised, cost_us = plan_filtered(live, operation.k, operation.params, matches, rows)
        way = SearchWay.AMONG if fetch is None else SearchWay.OVER_FETCH
    if not count:
        way, fetch, cost_us = SearchWay.NOTHING, None, None
    tuning = None if fetch is None else live.tuning_for(fetch, deeper(operation.params, operation.k, fetch), promised)
    return TabletPlan(
        tablet=tablet.number,
        partition=table.partition_of(tablet.number),
        rows=rows,
        matches=count,
        share=round(count / rows, 6) if rows else 0.0,
        way=way,
        fetch=fetch,
        engine=description.engine,
        effort=None if tuning is None else tuning.effort,
        reorder=None if tuning is None else tuning.reorder,
        cost_us=cost_us,
    )


async def plan_query(table: Table, operation: Query) -> Plan:
    """The plan of a query; the filter is evaluated. Raises Rejected."""
    text = operation.filter
    way = SearchWay.ALL
    if text.strip():
        way = SearchWay.SCAN if table.filter(text).key_values() is None else SearchWay.KEYS
    tablets = []
    for tablet, matches in await _looked_at(table, text):
        rows = tablet.columns.live_count
        count = rows if matches is None else len(matches.slots)
        share = round(count / rows, 6) if rows else 0.0
        tablets.append(TabletPlan(tablet.number, table.partition_of(tablet.number), rows, count, share, way))
    return Plan(None, None, _fields(table, text), _excluded(table, text), tablets)


async def _looked_at(table: Table, text: str) -> Sequence[_Looked]:
    if text.strip():
        return [_Looked(tablet, matches) for tablet, matches in await table.matches(text)]
    return [_Looked(tablet, None) for tablet in table.tablets.values()]


def _fields(table: Table, text: str) -> list[str]:
    return sorted(table.filter(text).fields) if text.strip() else []


def _excluded(table: Table, text: str) -> list[str]:
    """The partitions that the filter cannot have rows in."""
    if table.definition.partitioning is None or not text.strip():
        return []
    possible = {tablet.number for tablet in table.possible_tablets(text)}
    return [partition.name for partition in table.definition.partitioning.partitions if possible.isdisjoint(partition.tablets)]
