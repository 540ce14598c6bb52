"""An index over generated rows with its exact answers: what the tests of indexes are written with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hippod.engine.index.builder import Progress
from hippod.engine.index.exact import Mask
from hippod.engine.index.hosts import HostPool
from hippod.engine.index.options import IndexOptions
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.vector_index import VectorIndex
from hippod.engine.index.vectors import Slots, VectorFile, Vectors
from hippod.engine.schema import DataType, Field

DIMENSION = 16
ROWS = 3_000
EVERYTHING = {"nprobe": 39, "reorder": 3_000, "ef_search": 300}


def floats(dimension: int) -> Field:
    """A field of float vectors."""
    return Field("v", DataType.FLOAT_VECTOR, dimension=dimension)


def bits(dimension: int) -> Field:
    """A field of binary vectors."""
    return Field("b", DataType.BINARY_VECTOR, dimension=dimension)


class Rows:
    """A tablet's rows as an index sees them."""

    def __init__(self, path: Path, width: int = DIMENSION, dtype: npt.DTypeLike = np.float32) -> None:
        self.vectors = VectorFile(path, width, dtype)
        self.count = 0
        self.alive: Mask = np.zeros(0, np.bool_)
        self.row_ids: Slots = np.zeros(0, np.int64)

    @property
    def live_count(self) -> int:
        return int(self.alive.sum())

    @property
    def alive_now(self) -> Mask:
        return self.alive.copy()

    def add(self, rows: Vectors) -> tuple[int, int]:
        first = self.count
        self.vectors.write(first, rows)
        self.count += len(rows)
        self.alive = np.concatenate((self.alive, np.ones(len(rows), np.bool_)))
        self.row_ids = np.arange(1, self.count + 1)
        return first, len(rows)


class Subject:
    """An index over generated rows, and the exact answers to compare with."""

    field = floats(DIMENSION)

    def __init__(self, directory: Path, metric: str, kind: str = "IVF_FLAT", params: Mapping[str, Any] | None = None) -> None:
        self.random = np.random.default_rng(7)
        self.rows = self.no_rows(directory / "vectors")
        self.pool = SearchPool(2)
        self.hosts = HostPool(IndexOptions(train_rows_min=1_000, training_threads=1))
        self.metric = metric
        self.spec = IndexSpec.of(kind, metric, params or {"nlist": 40}, self.field)
        self.directory = directory / "index"
        self.queries = self.vectors(20)
        self.shown: list[tuple[str, list[str]]] = []
        self.index = self.another()

    def no_rows(self, path: Path) -> Rows:
        return Rows(path)

    def another(self) -> VectorIndex:
        return VectorIndex(self.spec, self.rows, self.hosts, self.directory, self.pool, self.show)

    @contextmanager
    def show(self, action: str) -> Iterator[Progress]:
        """Keep the names of what the index did by itself, with the stages of each."""
        stages: list[str] = []
        self.shown.append((action, stages))
        yield lambda _share, stage: stages.append(stage)

    async def measured(self) -> None:
        """Wait until no recall is being measured."""
        while self.index.describe_recall().measuring:
            await asyncio.sleep(0.01)

    def vectors(self, count: int) -> Vectors:
        return self.random.standard_normal((count, DIMENSION), dtype=np.float32)

    def add(self, rows: Vectors) -> None:
        self.index.rows_added(*self.rows.add(rows))

    def remove(self, slots: Slots) -> None:
        self.rows.alive[slots] = False
        self.index.rows_removed(slots)

    def truth(self, k: int) -> tuple[Slots, Vectors]:
        """Slots and scores of the k nearest living rows of each query."""
        rows = self.rows.vectors.view(self.rows.count)
        if self.metric == "l2":
            likeness = -((self.queries[:, None] - rows[None]) ** 2).sum(-1)
        else:
            likeness = self.queries @ rows.T
            if self.metric == "cosine":
                likeness /= np.linalg.norm(rows, axis=1) * np.linalg.norm(self.queries, axis=1)[:, None]
        likeness = np.where(self.rows.alive, likeness, -np.inf)
        slots = np.argsort(-likeness, axis=1)[:, :k]
        scores = np.take_along_axis(likeness, slots, 1)
        return slots, -scores if self.metric == "l2" else scores

    async def check(self, at_least: float = 0.97, k: int = 10, params: Mapping[str, Any] = EVERYTHING) -> None:
        """Search, thoroughly unless `params` say so: recall is high, scores are exact, nothing dead is found, nobody gets fewer than k."""
        hits = await self.index.search(self.queries, k, params)
        slots, scores = self.truth(k)
        assert (hits.counts == min(k, self.rows.live_count)).all()
        width = int(hits.counts[0])
        slots, scores, found_slots, found_scores = slots[:, :width], scores[:, :width], hits.slots[:, :width], hits.scores[:, :width]
        assert self.rows.alive[found_slots].all()
        recall = np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found_slots, slots, strict=True)])
        assert recall >= at_least
        same = found_slots == slots
        assert np.allclose(found_scores[same], scores[same], rtol=1e-4, atol=1e-4)

    async def trained(self) -> None:
        """Wait until a host serves."""
        async with asyncio.timeout(60):
            while not self.index.describe().vectors:
                await asyncio.sleep(0.01)

    def host_pid(self) -> int:
        generation = self.index._generations.current
        assert generation is not None
        return generation.host.pid


async def activate(subject: Subject) -> None:
    await subject.index.activate(lambda _share, _stage: None)
