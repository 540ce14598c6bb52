"""Searches restricted to some rows: what the server tells a host of a filter, and what the host then finds."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippod.engine.index.exact import Hits
from hippod.engine.index.known_filters import FILTERS_KEPT, KnownFilters, ToldFilters, matching
from hippod.engine.index.matches import Experience, Matches, next_ident
from hippod.engine.index.protocol import Kind, Reassembly
from hippod.engine.index.vectors import Slots
from tests.unit.engine.index.subject import EVERYTHING, ROWS, Subject, activate

K = 10
DEPTH = 300


@pytest.fixture(params=["IVF_FLAT", "IVF_PQ_FS", "IVF_SQ", "IVF_PQ", "HNSW"])
async def subject(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    made = Subject(tmp_path, "l2", request.param, {"nlist": 40, "index_slow_refine": True})
    made.add(made.vectors(ROWS))
    await activate(made)
    yield made
    await made.index.close(save=False)
    made.pool.close()


class Divisible:
    """The filter that keeps the rows whose slots a number divides."""

    def __init__(self, by: int) -> None:
        self.by = by
        self.ident = next_ident()

    def of(self, subject: Subject) -> Matches:
        mask = np.arange(subject.rows.count) % self.by == 0
        return Matches(np.flatnonzero(mask & subject.rows.alive), mask, self.ident, Experience())


async def search(subject: Subject, matches: Matches) -> Hits:
    return await subject.index.search_matching(subject.queries, K, EVERYTHING, matches, DEPTH, DEPTH)


async def check(subject: Subject, matches: Matches) -> None:
    """What is found matches, lives and is the nearest that does."""
    hits = await search(subject, matches)
    rows = subject.rows.vectors.view(subject.rows.count)
    assert hits.counts.tolist() == [K] * len(subject.queries)
    assert np.isin(hits.slots, matches.slots).all()
    distances = ((subject.queries[:, None] - rows[matches.slots]) ** 2).sum(-1)
    nearest = np.sort(distances, axis=1)[:, :K]
    found = ((subject.queries[:, None] - rows[hits.slots]) ** 2).sum(-1)
    assert np.allclose(hits.scores, found, rtol=1e-4)
    assert np.isclose(found, nearest, rtol=1e-4).mean() >= 0.97


async def test_what_is_found_matches_whatever_comes_and_goes(subject: Subject) -> None:
    third = Divisible(3)
    await check(subject, third.of(subject))
    subject.add(subject.queries + np.float32(1e-3))
    await check(subject, third.of(subject))
    subject.remove(np.arange(0, 900, 2))
    subject.add(subject.vectors(100))
    await check(subject, third.of(subject))
    await check(subject, Divisible(2).of(subject))


async def test_rows_younger_than_the_matches_do_not_match(subject: Subject) -> None:
    matches = Divisible(1).of(subject)
    subject.add(subject.queries)
    hits = await search(subject, matches)
    assert hits.slots.max() < ROWS


async def test_more_filters_than_a_host_keeps_are_all_right(subject: Subject) -> None:
    filters = [Divisible(2 + number % 4) for number in range(FILTERS_KEPT + 4)]
    for each in (*filters, *filters[:3]):
        await check(subject, each.of(subject))


async def test_fewer_come_back_where_the_depth_has_no_more(subject: Subject) -> None:
    params = {"nprobe": 20, "reorder": 30, "ef_search": 30}
    hits = await subject.index.search_matching(subject.queries, K, params, Divisible(100).of(subject), 30, 30)
    assert hits.counts.max() < K
    for query in range(len(subject.queries)):
        assert (hits.slots[query, : hits.counts[query]] % 100 == 0).all()


async def test_a_killed_host_answers_no_more_but_the_matches_are_found(subject: Subject) -> None:
    matches = Divisible(3).of(subject)
    waiting = [subject.index.search_matching(subject.queries, K, EVERYTHING, matches, DEPTH, DEPTH) for _ in range(20)]
    os.kill(subject.host_pid(), signal.SIGKILL)
    for hits in await asyncio.gather(*waiting):
        assert hits.counts.tolist() == [K] * len(subject.queries)
        assert np.isin(hits.slots, matches.slots).all()
    await subject.trained()
    await check(subject, matches)


def hand_over(told: ToldFilters, known: KnownFilters, matches: Matches) -> int:
    """Tell a host of a filter; how many bytes that took."""
    reassembly, size = Reassembly(), 0
    for message in told.news(matches):
        size += len(message)
        for header, body in reassembly.feed(message):
            if header.kind == Kind.FILTER:
                known.learn(header.ident, header.rows, body)
            else:
                known.forget(header.ident)
    return size


@given(st.lists(st.booleans(), min_size=1, max_size=300), st.lists(st.integers(1, 300), max_size=6))
def test_a_host_knows_the_mask_whatever_parts_it_came_in(cells: list[bool], cuts: list[int]) -> None:
    told, known, ident = ToldFilters(), KnownFilters(), next_ident()
    mask = np.array(cells)
    for count in [*sorted(min(cut, len(mask)) for cut in cuts), len(mask)]:
        part = Matches(np.flatnonzero(mask[:count]), mask[:count], ident, Experience())
        hand_over(told, known, part)
        assert known.mask(ident)[:count].tolist() == cells[:count]
        assert hand_over(told, known, part) == 0
    assert known.mask(ident).tolist() == cells


def test_only_news_are_told() -> None:
    told, known, ident = ToldFilters(), KnownFilters(), next_ident()
    mask = np.ones(80_000, np.bool_)
    assert hand_over(told, known, Matches(np.arange(80_000), mask, ident, Experience())) > 10_000
    assert hand_over(told, known, Matches(np.arange(80_008), np.append(mask, [False] * 8), ident, Experience())) < 64


def test_a_host_forgets_what_was_used_longest_ago() -> None:
    told, known = ToldFilters(), KnownFilters()
    filters = [Matches(np.array([0]), np.array([True]), next_ident(), Experience()) for _ in range(FILTERS_KEPT + 1)]
    for matches in (*filters[:-1], filters[0], filters[-1]):
        hand_over(told, known, matches)
    assert known.mask(filters[0].ident).tolist() == [True]
    with pytest.raises(KeyError):
        known.mask(filters[1].ident)


def test_no_slot_and_slots_above_the_mask_do_not_match() -> None:
    slots: Slots = np.array([[-1, 0, 1], [2, 3, 4]])
    assert matching(np.array([True, False, True]), slots).tolist() == [[False, True, False], [True, False, False]]


def test_experience_follows_what_happens_and_fades() -> None:
    experience = Experience()
    assert experience.lacking(30) == 0.0
    for _ in range(200):
        experience.tried(30, 1, 1)
    high = experience.lacking(30)
    assert high > 0.9
    assert experience.lacking(100) == 0.0
    for _ in range(2_000):
        experience.passed_over()
    assert 0.0 < experience.lacking(30) < high / 2
    for _ in range(300):
        experience.tried(30, 1, 0)
    assert experience.lacking(30) < 0.01
