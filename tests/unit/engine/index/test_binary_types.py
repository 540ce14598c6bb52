"""What BIN_IVF and BIN_HNSW promise: recall by hamming, exact scores, each acknowledged row, no dead one, a host that may die."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippod.engine.index.exact_binary import distances
from hippod.engine.index.vectors import Vectors
from hippod.engine.operations.indexes import Metric
from tests.unit.engine.index.subject import ROWS, Rows, Subject, activate, bits

WIDTH = 16
THOROUGH = {"nprobe": 39, "ef_search": 300}


class BinarySubject(Subject):
    """An index over rows of 128 bits, in which some bits are much rarer than others."""

    field = bits(WIDTH * 8)

    def no_rows(self, path: Path) -> Rows:
        return Rows(path, WIDTH, np.uint8)

    def vectors(self, count: int) -> Vectors:
        return np.packbits(self.random.random((count, WIDTH * 8)) < np.linspace(0.02, 0.6, WIDTH * 8), axis=1)

    async def check_binary(self, at_least: float = 0.95, k: int = 10, params: dict[str, Any] = THOROUGH) -> None:
        """Nothing dead is found, nobody gets fewer than k, scores are exact and, so far as `at_least` says, as low as the k lowest."""
        hits = await self.index.search(self.queries, k, params)
        truth = distances(self.rows.vectors.view(self.rows.count), self.queries, Metric(self.metric))
        assert np.array_equal(hits.scores, np.take_along_axis(truth, hits.slots, 1))
        assert (np.diff(hits.scores, axis=1) >= 0).all()
        assert (hits.counts == k).all()
        assert self.rows.alive[hits.slots].all()
        last = np.sort(np.where(self.rows.alive, truth, np.inf), axis=1)[:, k - 1 : k]
        assert np.mean(hits.scores <= last) >= at_least


@pytest.fixture
async def subject(tmp_path: Path, kind: str) -> AsyncIterator[BinarySubject]:
    made = BinarySubject(tmp_path, "hamming", kind, {"nlist": 40, "M": 16, "ef_construction": 100})
    made.add(made.vectors(ROWS))
    await activate(made)
    yield made
    await made.index.close(save=False)
    made.pool.close()


FOUND_BY_DEFAULT = {"BIN_IVF": 0.7, "BIN_HNSW": 0.9}
KINDS = pytest.mark.parametrize("kind", ["BIN_IVF", "BIN_HNSW"])


@KINDS
async def test_a_type_finds_what_is_near_and_follows_every_write(subject: BinarySubject, kind: str) -> None:
    described = subject.index.describe()
    assert described.vectors == ROWS
    assert described.engine == ("faiss: 40 leaves, bits" if kind == "BIN_IVF" else "faiss: HNSW graph, M 16, ef_construction 100")
    assert described.bytes_per_vector == pytest.approx(WIDTH + 26 if kind == "BIN_IVF" else WIDTH + 8 * 16 + 34, abs=1)
    await subject.check_binary(at_least=FOUND_BY_DEFAULT[kind], params={})
    await subject.check_binary()
    subject.add(subject.queries ^ np.uint8(1))
    await subject.check_binary()
    subject.remove(np.arange(0, ROWS, 3))
    await subject.check_binary()
    subject.remove(np.arange(ROWS, ROWS + 20))
    await subject.check_binary()


@KINDS
async def test_it_is_saved_and_loaded_and_catches_up(subject: BinarySubject) -> None:
    await subject.index.close(save=True)
    subject.rows.add(subject.queries)
    subject.rows.alive[10:40] = False
    subject.index = subject.another()
    await subject.index.load(lambda _share, _stage: None)
    await subject.trained()
    await subject.check_binary()


@KINDS
async def test_a_killed_host_costs_no_row(subject: BinarySubject) -> None:
    waiting = [subject.index.search(subject.queries[i % 20 : i % 20 + 1], 10, {}) for i in range(100)]
    os.kill(subject.host_pid(), signal.SIGKILL)
    for hits in await asyncio.gather(*waiting):
        assert hits.counts[0] == 10
    await subject.check_binary()
    await subject.trained()
    await subject.check_binary()


@KINDS
async def test_a_promise_of_recall_is_kept(subject: BinarySubject, kind: str) -> None:
    await subject.measured()
    (curve,) = subject.index.describe_recall().curves
    assert all(point.reorder == curve.points[0].reorder for point in curve.points)
    setting = subject.index._recall.tuning(10, 0.9)
    assert setting is not None
    assert setting.effort < (40 if kind == "BIN_IVF" else ROWS // 8)
    subject.queries = subject.vectors(500)
    await subject.check_binary(at_least=0.89, params={"recall": 0.9})


@pytest.mark.parametrize("kind", ["AUTO"])
async def test_auto_measures_follows_every_write_and_keeps_a_promise(subject: BinarySubject) -> None:
    assert "AUTO, measured on " in subject.index.describe().engine
    subject.add(subject.queries ^ np.uint8(1))
    subject.remove(np.arange(0, ROWS, 3))
    await subject.check_binary()
    await subject.measured()
    subject.queries = subject.vectors(500)
    await subject.check_binary(at_least=0.94, params={"recall": 0.95})


@pytest.mark.parametrize("kind", ["BIN_IVF", "BIN_HNSW", "AUTO"])
async def test_jaccard_is_exact_and_says_so(tmp_path: Path, kind: str) -> None:
    made = BinarySubject(tmp_path, "jaccard", kind)
    made.add(made.vectors(ROWS))
    await activate(made)
    described = made.index.describe()
    assert described.engine.startswith(f"exact scan that serves {kind}: of sets, ")
    assert (described.vectors, described.fresh) == (0, ROWS)
    await made.check_binary(at_least=1.0, params={"recall": 0.95})
    await made.index.close(save=False)
    made.pool.close()
