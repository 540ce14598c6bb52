"""Durable bulk inserts, beside the disk: the same bytes written and synced batch by batch."""

from __future__ import annotations

from typing import Final

from bench.data import Source
from bench.direct import synced_writes_per_second
from bench.figures.base import Bench
from bench.report import Row
from bench.stage import BATCH_ROWS

_TARGET: Final = 100_000.0
# Vector, three scalar fields and key, as they lie in the log.
_ROW_BYTES: Final = 128 * 4 + 40


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.stage(source)
    source.open()
    disk = synced_writes_per_second(stage.directory, BATCH_ROWS * _ROW_BYTES, bench.seconds / 2) * BATCH_ROWS
    outcome = bench.loaded(source).load()
    rate = outcome.per_second
    return [
        Row(
            f"durable inserts, batches of {BATCH_ROWS:,}",
            f"{source.title}, 3 scalar fields",
            rate,
            "rows/s",
            disk,
            "the disk, synced writes of as many bytes",
            rate,
            "rows/s",
            _TARGET,
            details={
                "median latency of a batch ms": outcome.median_s * 1e3,
                "CPU us per row: server": outcome.server.total_s / outcome.items * 1e6,
                "load generator": outcome.generator_cpu_us,
            },
        )
    ]
