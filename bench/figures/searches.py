"""Searches a second over the network, beside ScaNN called directly in batches on one thread with the same index and parameters."""

from __future__ import annotations

from typing import Final, NamedTuple

from bench.data import Source
from bench.direct import recall_of
from bench.figures.base import Bench
from bench.load import Searches, run_load
from bench.report import Row
from bench.stage import Stage


class _Shape(NamedTuple):
    """How the load comes, and the share of the direct rate that must be reached."""

    connections: int
    queries: int
    target: float


_SHAPES: Final = (_Shape(64, 1, 0.7), _Shape(4, 100, 0.9))


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.indexed(source)
    return [_measure(bench, stage, shape) for shape in _SHAPES]


def _measure(bench: Bench, stage: Stage, shape: _Shape) -> Row:
    direct = bench.direct(stage)
    bench.say(f"{shape.connections} connections, {shape.queries} queries a request")
    outcome = run_load([Searches(stage.address, stage.source, shape.connections, shape.queries, bench.seconds)], stage.pid)
    rate = outcome.per_second
    return Row(
        f"searches, {shape.connections} connections x {shape.queries}",
        stage.source.title,
        rate,
        "/s",
        direct.per_second,
        "ScaNN in batches, one thread",
        rate / direct.per_second,
        "of direct",
        shape.target,
        recall=recall_of(outcome, stage.source),
        details={
            "recall of direct": round(direct.recall, 4),
            "median latency ms": outcome.median_s * 1e3,
            "CPU us per search: server": outcome.server.server_s / outcome.items * 1e6,
            "host": outcome.server.hosts_s / outcome.items * 1e6,
            "load generator": outcome.generator_cpu_us,
            "direct": direct.cpu_us,
        },
    )
