"""The REST API: searches a second beside the native protocol's, and durable inserts beside the disk."""

from __future__ import annotations

from typing import Final

from bench.data import Source
from bench.direct import recall_of, synced_writes_per_second
from bench.figures.base import Bench
from bench.load import Address, Searches, run_load
from bench.report import Row
from bench.rest_load import RestInserts, RestSearches
from bench.stage import Stage

_CONNECTIONS: Final = 64
_SHARE_OF_NATIVE: Final = 0.25
_BATCH_ROWS: Final = 1_000
_BATCHES: Final = 100
_IN_FLIGHT: Final = 4
_ROWS_PER_S: Final = 25_000.0
# Vector and key, as they lie in the log.
_ROW_BYTES: Final = 128 * 4 + 8


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.indexed(source)
    address = Address(stage.server.host, stage.server.rest_port)
    return [_searches(bench, stage, address), _inserts(bench, stage, address)]


def _searches(bench: Bench, stage: Stage, address: Address) -> Row:
    native = run_load([Searches(stage.address, stage.source, _CONNECTIONS, 1, bench.seconds)], stage.pid)
    outcome = run_load([RestSearches(address, stage.source, _CONNECTIONS, bench.seconds)], stage.pid)
    return Row(
        f"REST searches, {_CONNECTIONS} connections x 1",
        stage.source.title,
        outcome.per_second,
        "/s",
        native.per_second,
        "the native protocol, the same searches",
        outcome.per_second / native.per_second,
        "of native",
        _SHARE_OF_NATIVE,
        recall=recall_of(outcome, stage.source),
        details={
            "median latency ms": outcome.median_s * 1e3,
            "CPU us per search: server": outcome.server.server_s / outcome.items * 1e6,
            "load generator": outcome.generator_cpu_us,
        },
    )


def _inserts(bench: Bench, stage: Stage, address: Address) -> Row:
    disk = synced_writes_per_second(stage.directory, _BATCH_ROWS * _ROW_BYTES, bench.seconds / 2) * _BATCH_ROWS
    outcome = run_load([RestInserts(address, _BATCH_ROWS, _BATCHES, _IN_FLIGHT)], stage.pid)
    rate = outcome.per_second
    return Row(
        f"REST durable inserts, {_BATCH_ROWS:,} rows x 128 a request",
        "generated, no scalar fields",
        rate,
        "rows/s",
        disk,
        "the disk, synced writes of as many bytes",
        rate,
        "rows/s",
        _ROWS_PER_S,
        details={
            "median latency of a request ms": outcome.median_s * 1e3,
            "CPU us per row: server": outcome.server.total_s / outcome.items * 1e6,
            "load generator": outcome.generator_cpu_us,
        },
    )
