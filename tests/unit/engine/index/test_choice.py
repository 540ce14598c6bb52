"""What AUTO picks: by what was measured, with its reason, again at each rebuild; exact search where nothing is quicker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippod.engine.index import choice
from hippod.engine.index import spec as spec_module
from hippod.engine.index.choice import Measured, choose, pick
from hippod.engine.index.recipe import Engine, Recipe
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.vectors import Vectors
from hippod.engine.operations import IndexType, Metric
from hippod.engine.schema import DataType, Field
from hippod.errors import Rejected
from tests.unit.engine.index.subject import DIMENSION, ROWS, Subject, activate, bits, floats

LEAVES = Recipe(Engine.SCANN, IndexType.IVF_PQ_FS, leaves=50, nbits=4)
GRAPH = Recipe(Engine.FAISS, IndexType.HNSW, links=16, ef_construction=40)


@pytest.fixture
async def subject(tmp_path: Path) -> AsyncIterator[Subject]:
    made = Subject(tmp_path, "cosine", "AUTO")
    made.add(made.vectors(ROWS))
    yield made
    await made.index.close(save=False)
    made.pool.close()


@pytest.mark.parametrize(
    ("exact", "leaves", "graph", "best"),
    [
        (9.0, (0.96, 2.0), (0.99, 1.0), GRAPH),
        (9.0, (0.96, 1.4), (0.99, 1.0), LEAVES),
        (9.0, (0.90, 0.1), (0.99, 1.0), GRAPH),
        (9.0, (0.90, 0.1), (0.94, 0.1), None),
        (1.0, (0.96, 2.0), (0.99, 2.0), None),
        (1.4, (0.96, 2.0), (0.99, 1.0), None),
    ],
)
def test_the_quickest_that_finds_enough_is_picked_and_a_graph_only_if_it_is_clearly_that(
    exact: float, leaves: tuple[float, float], graph: tuple[float, float], best: Recipe | None
) -> None:
    measured = [Measured(None, 1.0, exact, 0.0), Measured(LEAVES, *leaves, 1.0), Measured(GRAPH, *graph, 1.0)]
    assert pick(measured).recipe == best


@pytest.mark.parametrize(
    ("metric", "seconds", "best"),
    [
        (Metric.L2, (1.0, 0.1, 0.2, 1.0, 0.1, 0.2), "IVF_PQ_FS"),
        (Metric.IP, (1.0, 0.5, 0.1, 1.0, 0.5, 0.1), "HNSW"),
        (Metric.COSINE, (0.01, 0.5, 0.1, 0.01, 0.5, 0.1), "exact"),
        (Metric.L2, (1.0, 0.1, 0.01, 1.0, 0.1, 0.09), "IVF_PQ_FS"),
        (Metric.HAMMING, (1.0, 0.1, 0.2, 1.0, 0.1, 0.2), "BIN_IVF"),
        (Metric.HAMMING, (1.0, 0.5, 0.1, 1.0, 0.5, 0.1), "BIN_HNSW"),
        (Metric.HAMMING, (0.01, 0.5, 0.1, 0.01, 0.5, 0.1), "exact"),
    ],
)
def test_candidates_are_measured_over_the_sample_and_the_reason_names_all(
    monkeypatch: pytest.MonkeyPatch, metric: Metric, seconds: tuple[float, ...], best: str
) -> None:
    random = np.random.default_rng(5)
    rows: Vectors = random.standard_normal((2_000, DIMENSION), dtype=np.float32)
    if metric is Metric.HAMMING:
        rows = random.integers(0, 256, (2_000, DIMENSION // 8), np.uint8)
    times = iter(seconds)
    monkeypatch.setattr(choice, "_seconds", lambda _search, _queries: next(times))
    candidates = IndexSpec.of("AUTO", metric, {}, bits(DIMENSION) if metric.is_binary else floats(DIMENSION)).candidates(len(rows))
    names = ["BIN_IVF", "BIN_HNSW"] if metric.is_binary else ["IVF_PQ_FS", "HNSW"]
    assert [recipe.type for recipe in candidates] == names
    recipe, reason = choose(candidates, rows, np.arange(0, 2_000), metric, 1)
    assert reason.startswith("AUTO, measured on 1,744 of 2,000 rows: exact ")
    assert ("exact" if recipe is None else recipe.type) == best
    assert recipe is None or recipe.text().endswith(reason)
    assert all(f"{name} " in reason for name in names)
    assert "at most" not in reason


async def test_auto_answers_well_follows_every_write_and_says_why(subject: Subject) -> None:
    await activate(subject)
    description = subject.index.describe()
    assert "AUTO, measured on 2,369 of 2,625 rows: exact " in description.engine
    await subject.check(at_least=0.9, params={})
    subject.add(subject.queries * np.float32(1.001))
    subject.remove(np.arange(0, ROWS, 3))
    await subject.check(at_least=0.9)


async def test_where_exact_search_is_best_it_is_measured_again_when_there_are_many_more_rows(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings: list[int] = []

    async def train(candidates: tuple[Recipe, ...], progress: Any) -> str:
        trainings.append(subject.rows.live_count)
        return "AUTO, measured so"

    monkeypatch.setattr(subject.index._generations._builder, "train", train)
    await activate(subject)
    assert subject.index.describe().engine == "exact; AUTO, measured so"
    subject.add(subject.vectors(2 * ROWS))
    await subject.check(at_least=1.0)
    assert trainings == [ROWS]
    subject.add(subject.vectors(ROWS))
    async with asyncio.timeout(10):
        while len(trainings) < 2:
            await asyncio.sleep(0)
    await subject.index.rebuild(lambda _share, _stage: None)
    assert trainings == [ROWS, 4 * ROWS, 4 * ROWS]
    assert subject.hosts.taken == 0


def test_auto_is_exact_for_few_rows_and_uses_the_engines_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    auto = IndexSpec.of("auto", "ip", {}, floats(64))
    assert auto.candidates(1_000) == ()
    assert [recipe.engine for recipe in auto.candidates(10_000)] == [Engine.SCANN, Engine.FAISS]
    monkeypatch.setattr(spec_module, "available_engines", lambda: frozenset({Engine.FAISS}))
    assert [recipe.engine for recipe in auto.candidates(10_000)] == [Engine.FAISS, Engine.FAISS]
    monkeypatch.setattr(spec_module, "available_engines", lambda: frozenset())
    assert auto.candidates(10_000) == ()


def test_auto_takes_the_search_parameters_of_both_and_no_build_parameters() -> None:
    auto = IndexSpec.of("AUTO", "ip", {"nlist": -1, "M": "x", "nprobe": 7, "ef_search": "90"}, floats(64))
    leaves, graph = auto.candidates(100_000)
    assert (leaves.leaves, graph.links) == (316, 16)
    assert auto.tuning({}, 10, leaves).effort == 7
    assert auto.tuning({}, 10, graph).effort == 90
    for params in ({"nprobe": 0}, {"ef_search": 9}, {"reorder": 5}):
        with pytest.raises(Rejected):
            auto.check_search(params, 10)


@pytest.mark.parametrize(
    ("metric", "field", "answers"),
    [
        ("jaccard", bits(64), "exact scan that serves AUTO: of sets, "),
        ("ip", Field("s", DataType.SPARSE_FLOAT_VECTOR), "inverted index that serves AUTO: exact inner products"),
    ],
)
def test_where_only_exact_search_serves_nothing_is_measured_and_auto_says_so(metric: str, field: Field, answers: str) -> None:
    auto = IndexSpec.of("AUTO", metric, {}, field)
    assert auto.candidates(1_000_000) == ()
    assert auto.answers_exactly.startswith(answers)
    auto.check_search({"nprobe": "any", "ef_search": 1, "reorder": 1}, 10)


def test_auto_over_bits_takes_the_search_parameters_of_both_but_no_reorder() -> None:
    auto = IndexSpec.of("AUTO", "hamming", {"nprobe": 7, "ef_search": 90, "reorder": "none"}, bits(64))
    leaves, graph = auto.candidates(100_000)
    assert auto.tuning({"reorder": 1}, 10, leaves).effort == 7
    assert auto.tuning({}, 10, graph).effort == 90
    for params in ({"nprobe": 0}, {"ef_search": 9}):
        with pytest.raises(Rejected):
            auto.check_search(params, 10)
