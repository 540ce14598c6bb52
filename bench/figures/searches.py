"""Searches a second over the network, beside ScaNN called directly in batches on one thread with the same index and parameters: as it is
installed, and, among the details, on the kernels that the server chooses for it.

Single queries come once from clients as users have them, and once as requests prepared beforehand: on a machine that the load shares with
the server, the difference is what the clients take of the processors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from bench.data import Source
from bench.direct import recall_of
from bench.figures.base import Bench
from bench.load import Searches, Work, run_load
from bench.prepared_load import PreparedSearches
from bench.report import Row
from bench.stage import Stage


class _Shape(NamedTuple):
    """How the load comes, and the share of the direct rate that must be reached."""

    title: str
    works: Sequence[Work]
    target: float


_SINGLE_TARGET: Final = 0.7
_BATCH_TARGET: Final = 0.9


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.indexed(source)
    address, seconds = stage.address, bench.seconds
    shapes = (
        _Shape("64 connections x 1", [Searches(address, source, 64, 1, seconds)], _SINGLE_TARGET),
        _Shape("64 connections x 1, prepared requests", [PreparedSearches(address, source, 64, seconds)], _SINGLE_TARGET),
        _Shape("4 connections x 100", [Searches(address, source, 4, 100, seconds)], _BATCH_TARGET),
    )
    return [_measure(bench, stage, shape) for shape in shapes]


def _measure(bench: Bench, stage: Stage, shape: _Shape) -> Row:
    direct = bench.direct(stage)
    bench.say(shape.title)
    outcome = run_load(shape.works, stage.pid)
    rate = outcome.per_second
    return Row(
        f"searches, {shape.title}",
        stage.source.title,
        rate,
        "/s",
        direct.per_second,
        "installed ScaNN in batches, one thread",
        rate / direct.per_second,
        "of direct",
        shape.target,
        recall=recall_of(outcome, stage.source),
        details={
            "of direct on the same kernels": rate / direct.best_per_second,
            "recall of direct": round(direct.recall, 4),
            "median latency ms": outcome.median_s * 1e3,
            "CPU us per search: server": outcome.server.server_s / outcome.items * 1e6,
            "host": outcome.server.hosts_s / outcome.items * 1e6,
            "load generator": outcome.generator_cpu_us,
            "direct": direct.cpu_us,
            "direct on the same kernels": direct.best_cpu_us,
        },
    )
