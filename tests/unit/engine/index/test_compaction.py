"""An index whose rows were replaced: as good as a fresh one, by itself or when asked, and never at the cost of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from hippod.engine.index.generation import Generation
from tests.unit.engine.index.subject import ROWS, Subject, activate

# One that deletes, one that spills and one of links: the latter two only grow.
KINDS = [("IVF_FLAT", "l2"), ("IVF_PQ_FS", "ip"), ("HNSW", "cosine")]


@pytest.fixture(params=KINDS, ids=[kind for kind, _ in KINDS])
async def subject(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    kind, metric = request.param
    made = Subject(tmp_path, metric, kind, {"nlist": 40, "M": 8, "ef_construction": 40})
    made.add(made.vectors(ROWS))
    yield made
    await made.index.close(save=False)
    made.pool.close()


async def test_after_half_of_the_rows_are_replaced_recall_is_that_of_a_fresh_index(subject: Subject) -> None:
    await activate(subject)
    before = generation(subject)
    replace_half(subject)
    assert subject.index.describe().removed == ROWS // 2
    async with asyncio.timeout(60):
        while generation(subject) is before:
            await subject.check(at_least=0.9)
    description = subject.index.describe()
    assert (description.removed, description.vectors, description.fresh) == (0, ROWS, 0)
    subject.queries = subject.vectors(300)
    compacted = await recall(subject)
    fresh = subject.another()
    await subject.index.close(save=False)
    subject.index = fresh
    await activate(subject)
    assert compacted >= await recall(subject) - 0.01


async def test_without_auto_compaction_an_index_waits_to_be_asked(subject: Subject) -> None:
    subject.index.keep_up(auto_compaction=False, deletion_share_max=None)
    await activate(subject)
    before = generation(subject)
    await subject.index.compact(lambda _share, _stage: None)
    assert generation(subject) is before
    replace_half(subject)
    await subject.check(at_least=0.9)
    assert generation(subject) is before
    assert not subject.index.describe().building
    stages: list[str] = []
    await subject.index.compact(lambda _share, _stage: stages.append(subject.index.describe().building))
    assert any(stage.startswith("training") for stage in stages)
    assert generation(subject) is not before
    assert subject.index.describe().removed == 0
    await subject.check(at_least=0.9)
    replace_half(subject)
    again = generation(subject)
    subject.index.keep_up(auto_compaction=True, deletion_share_max=0.3)
    async with asyncio.timeout(60):
        while generation(subject) is again:
            await asyncio.sleep(0.01)


async def test_deaths_before_a_restart_count_toward_the_next_training(subject: Subject) -> None:
    await activate(subject)
    subject.remove(np.arange(ROWS // 8))
    subject.add(subject.vectors(1_100))
    await subject.index.close(save=True)
    subject.index = subject.another()
    await subject.index.load(lambda _share, _stage: None)
    assert subject.index.describe().removed == ROWS // 8
    before = generation(subject)
    subject.remove(np.arange(ROWS // 8, ROWS // 4))
    async with asyncio.timeout(60):
        while generation(subject) is before:
            await asyncio.sleep(0.01)
    await subject.check(at_least=0.9)


def generation(subject: Subject) -> Generation:
    found = subject.index._generations.current
    assert found is not None
    return found


def replace_half(subject: Subject) -> None:
    """Every living row with an even slot dies and another takes its place."""
    dying = np.flatnonzero(subject.rows.alive)[::2]
    subject.add(subject.vectors(len(dying)) + np.float32(0.5))
    subject.remove(dying)


async def recall(subject: Subject) -> float:
    """Of searches that find most, but not all."""
    truth, _ = subject.truth(10)
    hits = await subject.index.search(subject.queries, 10, {"nprobe": 24, "reorder": 200, "ef_search": 120})
    return float(np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(hits.slots, truth, strict=True)]))
