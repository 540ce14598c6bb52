"""How long the server's event loop was ever held up: a ticker in the server process, while everything happens that can hold it up. A
ticker in a process of its own tells how late one comes that shares nothing but the processors."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.data import CACHE, Source
from bench.figures.base import Bench
from bench.load import Generators, Searches, run_load
from bench.report import Row
from bench.stage import Stage
from bench.ticking_server import Gap, read_gaps, tick_alone

_TARGET_MS: Final = 20.0
_TRAINING_SEARCHES_S: Final = 30.0


def measure(bench: Bench, source: Source) -> list[Row]:
    bench.close()
    gaps_file, gaps_alone_file = CACHE / "gaps", CACHE / "gaps-alone"
    times = {}
    with Stage(source, ("bench.ticking_server",), ("--gaps", str(gaps_file))) as stage, _ticking_alone(gaps_alone_file):
        bench.say("event loop: inserting")
        times["insert"] = time.monotonic()
        stage.load()
        bench.say("event loop: training, saving and swapping under searches")
        times["train, save, swap"] = time.monotonic()
        _index_under_searches(stage)
        bench.say("event loop: searching")
        times["search"] = time.monotonic()
        run_load([Searches(stage.address, source, 64, 1, bench.seconds), Searches(stage.address, source, 2, 100, bench.seconds)])
        stage.server.terminate()
        gaps, gaps_alone = read_gaps(gaps_file), read_gaps(gaps_alone_file)
    gaps_file.unlink()
    gaps_alone_file.unlink()
    return [_row(source, name, _between(gaps, since, until), _between(gaps_alone, since, until)) for name, since, until in _phases(times)]


@contextmanager
def _ticking_alone(gaps: Path) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=tick_alone, args=(gaps,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _index_under_searches(stage: Stage) -> None:
    """Searches begin as soon as the index is being built: exact ones first."""
    job = stage.begin_index()
    with Generators([Searches(stage.address, stage.source, 4, 1, _TRAINING_SEARCHES_S)]) as generators:
        generators.ready()
        generators.go()
        stage.await_index(job)
        generators.results()


def _phases(times: dict[str, float]) -> list[tuple[str, float, float]]:
    names, starts = list(times), [*times.values(), float("inf")]
    return [(name, starts[at], starts[at + 1]) for at, name in enumerate(names)]


def _between(gaps: list[Gap], since: float, until: float) -> list[Gap]:
    """Those that began in a phase: what the server does until it is ready holds up nobody."""
    return [gap for gap in gaps if since <= gap.at - gap.seconds < until]


def _longest(gaps: list[Gap]) -> Gap:
    return max(gaps, key=lambda gap: gap.seconds, default=Gap(0.0, 0.0, 0.0))


def _row(source: Source, phase: str, gaps: list[Gap], gaps_alone: list[Gap]) -> Row:
    worst = _longest(gaps)
    return Row(
        f"longest stall of the event loop: {phase}",
        source.title,
        worst.seconds * 1e3,
        "ms",
        _longest(gaps_alone).seconds * 1e3,
        "a ticker in a process of its own",
        worst.seconds * 1e3,
        "ms",
        _TARGET_MS,
        less_is_better=True,
        details={
            "of which the loop itself worked ms": worst.worked_s * 1e3,
            "longest work in any gap ms": max((gap.worked_s for gap in gaps), default=0.0) * 1e3,
            "gaps above 20 ms": sum(gap.seconds > _TARGET_MS / 1e3 for gap in gaps),
        },
    )
