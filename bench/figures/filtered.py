"""Searches among the rows that match a filter, with recall promised, beside the same searches without the filter."""

from __future__ import annotations

import itertools
import os
import time
from typing import Final, NamedTuple

from bench.data import Ids, Restriction, Source, Vectors, nearest, recall
from bench.figures.base import Bench
from bench.load import TABLE, Outcome, Searches, run_load
from bench.report import Row
from bench.selectors import measure_selectors
from bench.stage import INDEX, Stage

_RECALL: Final = 0.97
_PARAMS: Final = {"recall": _RECALL}
_OF_UNFILTERED: Final = 0.25
_SETTLED_S: Final = 600.0
_LOOK_S: Final = 0.1
_QUIET_LOOKS: Final = 50
# So many make the server's sample of queries full: it then has no reason to measure again while it is being measured.
_SAMPLE_QUERIES: Final = 1_024


class _Shape(NamedTuple):
    """Connections that search for one query at a time."""

    connections: int
    name: str


_SHAPES: Final = (_Shape(64, "64 connections"), _Shape(1, "a lone client"))


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.indexed(source)
    data = source.open()
    restrictions = source.restrictions(data)
    bench.say("finding the exact answers")
    truths = [restriction.rows[nearest(data.base[restriction.rows], data.queries)] for restriction in restrictions]
    bench.say("measuring recall")
    _settle(stage, data.queries, restrictions)
    rows = []
    for restriction, truth in zip(restrictions, truths, strict=True):
        for shape in _SHAPES:
            bench.say(f"{restriction.filter}: {shape.name}")
            whole, part = (_search(bench, stage, shape, text) for text in ("", restriction.filter))
            rows.append(_row(source, restriction, shape, whole, part, data.ids[truth]))
    bench.say("other libraries")
    seen = measure_selectors(source, restrictions, truths, _RECALL, bench.seconds / 3, os.cpu_count() or 1)
    for number, details in enumerate(seen):
        rows[number * len(_SHAPES)].details.update(details)
    return rows


def _settle(stage: Stage, queries: Vectors, restrictions: list[Restriction]) -> None:
    """Let the server see the queries and measure whatever it wants to know for these searches; then once more, for now it has queries."""
    until = time.monotonic() + _SETTLED_S
    with stage.client() as client:
        for query in itertools.islice(itertools.cycle(queries), _SAMPLE_QUERIES):
            client.search(TABLE, query, params=_PARAMS)
        for _ in range(2):
            for text in ("", *(restriction.filter for restriction in restrictions)):
                for query in queries[:: max(1, len(queries) // 100)]:
                    client.search(TABLE, query, filter=text, params=_PARAMS)
            quiet = 0
            while quiet < _QUIET_LOOKS and time.monotonic() < until:
                quiet = 0 if client.describe_recall(TABLE, INDEX).measuring else quiet + 1
                time.sleep(_LOOK_S)


def _search(bench: Bench, stage: Stage, shape: _Shape, text: str) -> Outcome:
    return run_load([Searches(stage.address, stage.source, shape.connections, 1, bench.seconds, params=_PARAMS, filter=text)], stage.pid)


def _row(source: Source, restriction: Restriction, shape: _Shape, whole: Outcome, part: Outcome, truth: Ids) -> Row:
    found, queries = part.answered()
    width = truth.shape[1]
    details: dict[str, float | str] = {
        "filter": restriction.filter,
        "rows that match": float(len(restriction.rows)),
        "median latency ms": part.median_s * 1e3,
        "without the filter": whole.median_s * 1e3,
        "CPU us per search: server": part.server.server_s / part.items * 1e6,
        "host": part.server.hosts_s / part.items * 1e6,
        "server without the filter": whole.server.server_s / whole.items * 1e6,
        "host without the filter": whole.server.hosts_s / whole.items * 1e6,
    }
    return Row(
        f"{restriction.share:.2%} match, {shape.name}",
        source.title,
        part.per_second,
        "/s",
        whole.per_second,
        "without a filter",
        part.per_second / whole.per_second,
        "of unfiltered",
        _OF_UNFILTERED,
        recall=recall(found[:, :width], truth[queries]),
        details=details,
        recall_min=_RECALL,
    )
