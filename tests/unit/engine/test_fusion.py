"""Fusion of rankings, against the same computed row by row."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippod.engine.fusion import WeightedHits, fused
from hippod.engine.index.exact import Hits
from hippod.engine.operations import Fusion, Metric

BITS = 16
METRICS = list(Metric)
QUERIES = 2
WIDTH = 5

rows = st.lists(st.integers(0, 9), min_size=0, max_size=WIDTH, unique=True)
scores = st.lists(st.floats(0, 16, width=32), min_size=WIDTH, max_size=WIDTH)


@st.composite
def parts(draw: st.DrawFn) -> WeightedHits:
    metric = draw(st.sampled_from(METRICS))
    slots = np.full((QUERIES, WIDTH), 77, np.int64)
    found = np.full((QUERIES, WIDTH), np.float32(-5))
    counts = np.zeros(QUERIES, np.int32)
    for query in range(QUERIES):
        hits = draw(rows)
        best = sorted(draw(scores), reverse=not metric.is_distance)[: len(hits)]
        top = 1.0 if metric in (Metric.COSINE, Metric.JACCARD) else 16.0
        slots[query, : len(hits)], found[query, : len(hits)], counts[query] = hits, np.array(best) * top / 16, len(hits)
    return WeightedHits(Hits(slots, found, counts), metric, BITS, draw(st.sampled_from([0.5, 1.0, 3.0])))


def normalised(metric: Metric, score: float) -> float:
    if metric is Metric.L2:
        return 1 / (1 + score)
    if metric is Metric.IP:
        return 0.5 + math.atan(score) / math.pi
    if metric is Metric.COSINE:
        return (1 + score) / 2
    return 1 - score / BITS if metric is Metric.HAMMING else 1 - score


def by_hand(given_parts: list[WeightedHits], fusion: Fusion, constant: float, query: int) -> dict[int, float]:
    total: dict[int, float] = {}
    for part in given_parts:
        count = int(part.hits.counts[query])
        hits = list(zip(part.hits.slots[query].tolist(), part.hits.scores[query].tolist(), strict=True))[:count]
        for rank, (row, score) in enumerate(hits, 1):
            if fusion is Fusion.RRF:
                added = 1 / (constant + rank)
            elif fusion is Fusion.WEIGHTED:
                added = normalised(part.metric, score)
            else:
                best, worst = hits[0][1], hits[-1][1]
                added = 1.0 if best == worst else (score - worst) / (best - worst)
            total[row] = total.get(row, 0.0) + part.weight * added
    divisor = 1.0 if fusion is Fusion.RRF else sum(part.weight for part in given_parts)
    return {row: score / divisor for row, score in total.items()}


@given(st.lists(parts(), min_size=1, max_size=4), st.sampled_from(list(Fusion)), st.sampled_from([0.0, 1.0, 60.0]), st.integers(0, 6))
def test_every_row_scores_the_sum_of_what_its_hits_add(
    given_parts: list[WeightedHits], fusion: Fusion, constant: float, offset: int
) -> None:
    found = fused(given_parts, fusion, constant, offset, 4)
    at = 0
    for query in range(QUERIES):
        wanted = by_hand(given_parts, fusion, constant, query)
        best = sorted(wanted.values(), reverse=True)[offset : offset + 4]
        shown = slice(at, at + int(found.counts[query]))
        at = shown.stop
        assert found.scores[shown].tolist() == pytest.approx(best, abs=1e-6)
        assert len(set(found.addresses[shown].tolist())) == len(best)
        assert found.scores[shown].tolist() == pytest.approx([wanted[row] for row in found.addresses[shown].tolist()], abs=1e-6)
    assert at == len(found.scores) == len(found.addresses)


def one(metric: Metric, slots: list[int], values: list[float], weight: float = 1.0) -> WeightedHits:
    return WeightedHits(Hits(np.array([slots]), np.array([values], np.float32), np.array([len(slots)], np.int32)), metric, BITS, weight)


@pytest.mark.parametrize("fusion", list(Fusion))
@pytest.mark.parametrize("metric", METRICS)
def test_a_better_hit_adds_more_and_none_less_than_nothing(fusion: Fusion, metric: Metric) -> None:
    values = [0.0, 0.25, 0.5, 1.0] if metric.is_distance else [1.0, 0.5, 0.25, -1.0]
    found = fused([one(metric, [4, 3, 2, 1], values)], fusion, 60.0, 0, 4)
    assert found.addresses.tolist() == [4, 3, 2, 1]
    assert (np.diff(found.scores) < 0).all()
    assert found.scores.min() >= 0
    assert found.scores.max() <= 1


def test_of_equal_scores_the_hits_of_the_first_search_come_first() -> None:
    found = fused([one(Metric.L2, [9, 5], [0, 1]), one(Metric.IP, [3, 5], [2, 1])], Fusion.RRF, 60.0, 0, 4)
    assert found.addresses.tolist() == [5, 9, 3]


def test_a_weight_of_nothing_lets_a_search_only_add_rows_at_the_end() -> None:
    found = fused([one(Metric.L2, [1, 2], [0, 1], 0.0), one(Metric.L2, [2, 3], [1, 2])], Fusion.WEIGHTED, 60.0, 0, 4)
    assert found.addresses.tolist() == [2, 3, 1]
    assert found.scores[2] == 0
