"""What a search costs the server and its host in processor time while many separate processes ask."""

from __future__ import annotations

from typing import Final

from bench.data import Source
from bench.direct import recall_of
from bench.figures.base import Bench
from bench.load import SyncSearches, run_load
from bench.report import Row

_CLIENTS: Final = 16
_TARGET_US: Final = 60.0


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.indexed(source)
    direct = bench.direct(stage)
    bench.say(f"{_CLIENTS} blocking clients")
    step = len(source.open().queries) // _CLIENTS
    works = [SyncSearches(stage.address, source, bench.seconds, first=number * step) for number in range(_CLIENTS)]
    outcome = run_load(works, stage.pid)
    spent_us = outcome.server.total_s / outcome.items * 1e6
    return [
        Row(
            f"server CPU per search, {_CLIENTS} blocking clients",
            source.title,
            spent_us,
            "us",
            direct.cpu_us,
            "installed ScaNN in batches",
            spent_us - direct.cpu_us,
            "us above direct",
            _TARGET_US,
            less_is_better=True,
            recall=recall_of(outcome, source),
            details={
                "us above direct on the same kernels": spent_us - direct.best_cpu_us,
                "searches/s": outcome.per_second,
                "server us": outcome.server.server_s / outcome.items * 1e6,
                "host us": outcome.server.hosts_s / outcome.items * 1e6,
                "client us": outcome.generator_cpu_us,
            },
        )
    ]
