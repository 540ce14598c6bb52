"""What an index promises in every state: each acknowledged row is found, no dead one is, and a host may die at any time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from hippod.engine.operations import IndexState
from hippod.errors import Rejected, WrongState
from tests.unit.engine.index.subject import ROWS, Subject, activate


@pytest.fixture(params=["l2", "ip", "cosine"])
async def subject(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    made = Subject(tmp_path, request.param)
    made.add(made.vectors(ROWS))
    yield made
    await made.index.close(save=False)
    made.pool.close()


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Subject]:
    made = Subject(tmp_path, "l2")
    yield made
    await made.index.close(save=False)
    made.pool.close()


async def test_rows_added_and_removed_show_at_once(subject: Subject) -> None:
    await activate(subject)
    assert subject.index.describe().vectors == ROWS
    await subject.check()
    subject.add(subject.queries + np.float32(1e-3))
    await subject.check()
    subject.remove(np.arange(0, ROWS, 3))
    await subject.check()
    subject.remove(np.arange(ROWS, ROWS + 20))
    await subject.check()
    subject.remove(np.flatnonzero(subject.rows.alive)[3:])
    await subject.check(k=4)


async def test_a_killed_host_costs_no_row_and_is_back_by_itself(subject: Subject) -> None:
    await activate(subject)
    subject.add(subject.vectors(50))
    subject.remove(np.arange(0, 100, 2))
    waiting = [subject.index.search(subject.queries[i % 20 : i % 20 + 1], 10, {}) for i in range(200)]
    os.kill(subject.host_pid(), signal.SIGKILL)
    for hits in await asyncio.gather(*waiting):
        assert hits.counts[0] == 10
        assert subject.rows.alive[hits.slots].all()
    await subject.check()
    await subject.trained()
    await subject.check()


async def test_a_saved_index_is_loaded_and_catches_up_with_what_changed(subject: Subject) -> None:
    await activate(subject)
    await subject.index.close(save=True)
    subject.rows.add(subject.queries)
    subject.rows.alive[10:40] = False
    subject.index = subject.another()
    await subject.index.load(lambda _share, _stage: None)
    await subject.trained()
    await subject.check()


async def test_a_damaged_saved_index_is_trained_again_and_answers_exactly_meanwhile(subject: Subject) -> None:
    await activate(subject)
    await subject.index.close(save=True)
    victim = max(subject.directory.glob("saved-*/*"), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    subject.index = subject.another()
    await subject.index.load(lambda _share, _stage: None)
    await subject.check(at_least=1.0)
    await subject.trained()
    await subject.check()


async def test_searches_and_writes_go_on_while_an_index_trains(subject: Subject) -> None:
    training = asyncio.ensure_future(activate(subject))
    steps = 0
    await asyncio.sleep(0)
    while not training.done() or not steps:
        subject.add(subject.vectors(3))
        subject.remove(np.array([steps]))
        await subject.check()
        steps += 1
    await training
    await subject.check()
    await subject.index.rebuild(lambda _share, _stage: None)
    await subject.check()


async def test_an_empty_index_trains_by_itself_when_there_is_enough(empty: Subject) -> None:
    await activate(empty)
    assert (await empty.index.search(empty.queries, 10, {})).counts.tolist() == [0] * 20
    empty.add(empty.vectors(5))
    await empty.check(k=5, at_least=1.0)
    assert "exact" in empty.index.describe().engine
    empty.add(empty.vectors(ROWS))
    await empty.trained()
    await empty.check()


async def test_flat_is_exact(tmp_path: Path) -> None:
    subject = Subject(tmp_path, "cosine", kind="FLAT")
    subject.add(subject.vectors(ROWS))
    await activate(subject)
    await subject.check(at_least=1.0)
    hits = await subject.index.search_among(subject.queries, 3, np.array([5, 7, 2_000]))
    assert np.sort(hits.slots, axis=1).tolist() == [[5, 7, 2_000]] * 20
    await subject.index.close(save=False)
    subject.pool.close()


async def test_release_load_and_wrong_states(empty: Subject) -> None:
    empty.add(empty.vectors(ROWS))
    with pytest.raises(WrongState, match="not active"):
        empty.index.search(empty.queries, 1, {})
    await activate(empty)
    await empty.index.release()
    assert empty.index.describe().state is IndexState.RELEASED
    with pytest.raises(WrongState, match="released"):
        empty.index.search(empty.queries, 1, {})
    await empty.index.load(lambda _share, _stage: None)
    await empty.check()


@pytest.mark.parametrize("params", [{"nprobe": 0}, {"nprobe": "x"}, {"nprobe": 70_000}, {"reorder": 3}, {"nprobe": 1.5}])
async def test_bad_search_parameters_are_refused(empty: Subject, params: dict[str, object]) -> None:
    await activate(empty)
    with pytest.raises(Rejected):
        empty.index.search(empty.queries, 10, params)


async def test_dropping_removes_the_files_and_the_host(subject: Subject) -> None:
    await activate(subject)
    pid = subject.host_pid()
    subject.index.drop()
    await subject.index.close(save=False)
    async with asyncio.timeout(10):
        while list(subject.directory.glob("*")):
            await asyncio.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_answer_is_made_of_the_hits_and_its_defect_reaches_the_one_who_asked(subject: Subject) -> None:
    await activate(subject)
    hits = await subject.index.search(subject.queries, 5, {})
    assert await subject.index.answer(subject.queries, 5, {}, lambda found: found.slots.tolist()) == hits.slots.tolist()
    broken = subject.index.answer(subject.queries, 5, {}, lambda found: found.slots[99])
    fine = subject.index.answer(subject.queries, 5, {}, lambda found: len(found.slots))
    with pytest.raises(IndexError):
        await broken
    assert await fine == 20


async def test_answer_is_not_made_for_one_who_has_gone(subject: Subject) -> None:
    await activate(subject)
    made: list[int] = []
    gone = subject.index.answer(subject.queries, 5, {}, lambda _found: made.append(1))
    stays = subject.index.answer(subject.queries, 5, {}, lambda _found: made.append(2))
    gone.cancel()
    await stays
    assert made == [2]
