"""The limits: ScaNN called in a process of its own without anything of hippod around it, and the disk written without a database.

ScaNN gets the very index that the server has saved, the same leaves and reorder number, and queries that are ready for it. It is called
as it is installed, and once more on the kernels that the server chooses for it (hippod/engine/index/scann_kernels.py).
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from bench.data import Ids, K, Source, Vectors, recall
from bench.load import Outcome, Sample, run_load
from hippod.engine.index.scann_kernels import installed_scann, scann_library

BATCHES: Final = (32, 100, 256)
_LONE_SEARCHES: Final = 1_000
_ASSETS: Final = "scann_assets.pbtxt"


class Direct(NamedTuple):
    """ScaNN as installed: `per_second` in the best of the batch sizes, on one thread, with `cpu_us` microseconds of processor for each
    search; `lone_s` median of single calls; all with this `recall`. `load_s`: until the saved index was in memory. `best_per_second`,
    `best_cpu_us` and `best_lone_s` are those on the kernels that the server chooses.
    """

    per_second: float
    cpu_us: float
    lone_s: float
    recall: float
    load_s: float
    best_per_second: float
    best_cpu_us: float
    best_lone_s: float


@dataclass(frozen=True)
class _Batches:
    """Search in batches of one size for `seconds`."""

    index: Path
    source: Source
    batch: int
    seconds: float
    chooses_kernels: bool = False

    def run(self, go: Callable[[], None]) -> Sample:
        data = self.source.open()
        index, load_s = _load(self.index, self.chooses_kernels)
        found = np.full((len(data.queries), K), -1, np.int64)
        search = _searcher(index, self.source)
        search(data.queries[: self.batch])
        go()
        latencies, items = [load_s], 0
        started, cpu_s = time.monotonic(), time.process_time()
        while time.monotonic() - started < self.seconds:
            for at in range(0, len(data.queries) - self.batch + 1, self.batch):
                found[at : at + self.batch] = data.ids[search(data.queries[at : at + self.batch])]
                items += self.batch
        return Sample.of(items, started, cpu_s, latencies, found)


@dataclass(frozen=True)
class _Lone:
    """One search after the other, alone."""

    index: Path
    source: Source
    chooses_kernels: bool = False

    def run(self, go: Callable[[], None]) -> Sample:
        data = self.source.open()
        index, _ = _load(self.index, self.chooses_kernels)
        search = _searcher(index, self.source)
        search(data.queries[:1])
        go()
        latencies = []
        started, cpu_s = time.monotonic(), time.process_time()
        for number in range(_LONE_SEARCHES):
            query = data.queries[number % len(data.queries)][None]
            asked = time.perf_counter()
            search(query)
            latencies.append(time.perf_counter() - asked)
        return Sample.of(_LONE_SEARCHES, started, cpu_s, latencies)


def measure_direct(index: Path, source: Source, seconds: float) -> Direct:
    """ScaNN on the index saved in `index`."""
    works = [_Batches(index, source, batch, seconds) for batch in BATCHES if batch <= len(source.open().queries)]
    runs = {work: run_load([work]) for work in works}
    fastest, installed = max(runs.items(), key=lambda run: run[1].per_second)
    best = run_load([replace(fastest, chooses_kernels=True)])
    lone, best_lone = (run_load([_Lone(index, source, chooses)]) for chooses in (False, True))
    return Direct(
        installed.per_second,
        installed.generator_cpu_us,
        lone.median_s,
        recall_of(installed, source),
        installed.median_s,
        best.per_second,
        best.generator_cpu_us,
        best_lone.median_s,
    )


def recall_of(outcome: Outcome, source: Source) -> float:
    """Recall@K of the answers that came."""
    found, queries = outcome.answered()
    return recall(found, source.open().truth[queries])


def synced_writes_per_second(directory: Path, bytes_each: int, seconds: float) -> float:
    """How many blocks of a size can be written one after the other, each synced (fdatasync) before the next."""
    path = directory / "synced-writes"
    block = os.urandom(bytes_each)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    times = []
    try:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            started = time.perf_counter()
            os.write(descriptor, block)
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
    return 1 / statistics.mean(times)


def _load(index: Path, chooses_kernels: bool) -> tuple[Any, float]:
    library = scann_library() if chooses_kernels else installed_scann()
    started = time.perf_counter()
    loaded = library.ScannNumpy(str(index), (index / _ASSETS).read_text())
    return loaded, time.perf_counter() - started


def _searcher(index: Any, source: Source) -> Callable[[Vectors], Ids]:
    """Positions of the K nearest, int64 (nq, K): of a fresh index these are the rows in the order in which they were inserted."""
    leaves, reorder = source.search_params["nprobe"], source.search_params["reorder"]

    def search(queries: Vectors) -> Ids:
        positions, _ = index.search_batched(queries, K, reorder, leaves, False, 0)
        return np.asarray(positions, np.int64)

    return search
