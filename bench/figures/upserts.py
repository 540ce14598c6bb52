"""Durable single-row upserts, many in flight, beside the disk: as many rows written and synced at a time."""

from __future__ import annotations

from typing import Final

from bench.data import Source
from bench.direct import synced_writes_per_second
from bench.figures.base import Bench
from bench.load import Upserts, run_load
from bench.report import Row

_CONNECTIONS: Final = 4
_IN_FLIGHT: Final = 64
_TARGET: Final = 20_000.0
_ROW_BYTES: Final = 700


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.loaded(source)
    disk = synced_writes_per_second(stage.directory, _IN_FLIGHT * _ROW_BYTES, bench.seconds / 2) * _IN_FLIGHT
    bench.say(f"upserts, {_IN_FLIGHT} in flight on {_CONNECTIONS} connections")
    work = Upserts(stage.address, source, _CONNECTIONS, _IN_FLIGHT // _CONNECTIONS, bench.seconds)
    outcome = run_load([work], stage.pid)
    # The rows have moved: the next figure, which wants them in the order in which they were inserted, begins anew.
    bench.close()
    rate = outcome.per_second
    return [
        Row(
            f"durable upserts of one row, {_IN_FLIGHT} in flight, {_CONNECTIONS} connections",
            source.title,
            rate,
            "/s",
            disk,
            f"the disk, {_IN_FLIGHT} rows a synced write",
            rate,
            "/s",
            _TARGET,
            details={
                "median latency ms": outcome.median_s * 1e3,
                "CPU us per row: server": outcome.server.total_s / outcome.items * 1e6,
                "load generator": outcome.generator_cpu_us,
            },
        )
    ]
