"""One client, one request at a time: how much later the answer comes than from a direct call."""

from __future__ import annotations

from typing import Final

from bench.data import Source
from bench.direct import recall_of
from bench.figures.base import Bench
from bench.load import Searches, SyncSearches, Work, run_load
from bench.report import Row

_TARGET_ASYNC_MS: Final = 0.20
_TARGET_SYNC_MS: Final = 0.15


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.indexed(source)
    kinds: tuple[tuple[str, Work, float], ...] = (
        ("asyncio", Searches(stage.address, source, 1, 1, bench.seconds), _TARGET_ASYNC_MS),
        ("blocking", SyncSearches(stage.address, source, bench.seconds), _TARGET_SYNC_MS),
    )
    rows = []
    for name, work, target in kinds:
        direct = bench.direct(stage)
        bench.say(f"a lone {name} client")
        outcome = run_load([work], stage.pid)
        direct_ms, median_ms = direct.lone_s * 1e3, outcome.median_s * 1e3
        rows.append(
            Row(
                f"median latency, {name} client",
                source.title,
                median_ms,
                "ms",
                direct_ms,
                "a direct call as installed",
                median_ms - direct_ms,
                "ms above direct",
                target,
                less_is_better=True,
                recall=recall_of(outcome, source),
                details={
                    "ms above direct on the same kernels": median_ms - direct.best_lone_s * 1e3,
                    "searches/s": outcome.per_second,
                    "client CPU us": outcome.generator_cpu_us,
                },
            )
        )
    return rows
