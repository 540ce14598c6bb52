"""What the lane and the index host cost: ScaNN called directly against the same index through VectorIndex.search.

    python bench/lane_overhead.py [--vectors BASE.npy --queries QUERIES.npy] [--metric cosine] [--nlist N] [--nprobe N]

Without files it generates clustered vectors. Prints recall, the median of a lone search, the rate with 64 searches in
flight, and the processor time of the server process for each search.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from hippod.engine.index.exact import Mask
from hippod.engine.index.hosts import HostPool
from hippod.engine.index.options import IndexOptions
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.saved import read_manifest
from hippod.engine.index.scann_index import ScannIndex
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.vector_index import VectorIndex
from hippod.engine.index.vectors import Slots, VectorFile, Vectors

K = 10
IN_FLIGHT = 64
SECONDS = 4.0


class Rows:
    """The rows of a tablet that never changes."""

    def __init__(self, path: Path, data: Vectors) -> None:
        self.vectors = VectorFile(path, data.shape[1])
        self.vectors.write(0, data)
        self.count = self.live_count = len(data)
        self.alive: Mask = np.ones(len(data), np.bool_)
        self.row_ids: Slots = np.arange(1, len(data) + 1)


def generated(rows: int, dimension: int) -> tuple[Vectors, Vectors]:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((rows // 200, dimension), dtype=np.float32)
    data = centres[rng.integers(0, len(centres), rows + 1_000)] + 0.7 * rng.standard_normal((rows + 1_000, dimension), dtype=np.float32)
    return data[:rows], data[rows:]


def recall(found: Slots, truth: Slots) -> float:
    return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), truth.tolist(), strict=True)]))


def measure_direct(index: ScannIndex, queries: Vectors, effort: int, reorder: int) -> tuple[float, float]:
    """Median seconds of a lone search, and searches per second in batches of 32."""
    lone = []
    for query in queries[:500]:
        started = time.perf_counter()
        index.search(query[None], K, effort, reorder)
        lone.append(time.perf_counter() - started)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        for at in range(0, len(queries) - 32, 32):
            index.search(queries[at : at + 32], K, effort, reorder)
            done += 32
    return statistics.median(lone), done / (time.perf_counter() - started)


async def measure_index(index: VectorIndex, queries: Vectors, params: dict[str, Any]) -> tuple[float, float, float]:
    """Median seconds of a lone search, searches per second with many in flight, server CPU seconds per search."""
    lone = []
    for at in range(500):
        started = time.perf_counter()
        await index.search(queries[at : at + 1], K, params)
        lone.append(time.perf_counter() - started)
    done, until = 0, time.perf_counter() + SECONDS

    async def client(at: int) -> None:
        nonlocal done
        while time.perf_counter() < until:
            at = (at + IN_FLIGHT) % len(queries)
            await index.search(queries[at : at + 1], K, params)
            done += 1

    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(client(at) for at in range(IN_FLIGHT)))
    return statistics.median(lone), done / (time.perf_counter() - started), (time.process_time() - cpu) / done


async def run(arguments: argparse.Namespace) -> None:
    if arguments.vectors:
        data, queries = (np.load(path).astype(np.float32) for path in (arguments.vectors, arguments.queries))
    else:
        data, queries = generated(60_000, 128)
    params = {"nlist": arguments.nlist, "nprobe": arguments.nprobe, "reorder": arguments.reorder}
    spec = IndexSpec.of("IVF_FLAT", arguments.metric, params, data.shape[1])
    pool = SearchPool(2)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        index = VectorIndex(spec, Rows(directory / "vectors", data), HostPool(IndexOptions()), directory / "index", pool)
        started = time.perf_counter()
        await index.activate(lambda _share, _what: None)
        print(f"{len(data)} x {data.shape[1]} {arguments.metric}: trained in {time.perf_counter() - started:.1f} s; {index.describe()}")
        truth = np.concatenate(
            [(await index.search(queries[at : at + 200], K, {"nprobe": 65_536})).slots for at in range(0, len(queries), 200)]
        )
        found = np.concatenate([(await index.search(queries[at : at + 200], K, {})).slots for at in range(0, len(queries), 200)])
        saved = next((directory / "index").glob("saved-*"))
        recipe = read_manifest(saved, check_hashes=False).recipe
        tuning = spec.tuning({}, K, recipe)
        direct = ScannIndex.load(recipe, saved, spec.metric)
        print(f"{recipe.text()}, {tuning}, recall@{K} {recall(found, truth):.3f}")
        for _ in range(2):
            lone, rate = measure_direct(direct, queries, *tuning)
            own_lone, own_rate, cpu = await measure_index(index, queries, {})
            print(
                f"lone: direct {lone * 1e6:.0f} us, index {own_lone * 1e6:.0f} us (+{(own_lone - lone) * 1e6:.0f})   "
                f"{IN_FLIGHT} in flight: direct {rate:.0f}/s, index {own_rate:.0f}/s ({own_rate / rate:.2f}), "
                f"server {cpu * 1e6:.1f} us a search"
            )
        await index.close(save=False)
    pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--metric", default="cosine")
    for name in ("nlist", "nprobe", "reorder"):
        parser.add_argument(f"--{name}")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
