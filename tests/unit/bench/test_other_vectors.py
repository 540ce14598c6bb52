"""The packages as bits and as words: the truth is exact, with all that are equally near, and is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import other_vectors
from bench.data import NO_ID, DataSet, Ids, K, Packages, recall
from bench.other_vectors import Signs, Words, nearest_by_hamming, nearest_by_words, weighted
from hippod_client import SparseVectors

RANDOM = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_vectors, "CACHE", tmp_path)


def places(truth: Ids) -> list[list[int]]:
    return [row[row != NO_ID].tolist() for row in truth]


def test_the_nearest_by_hamming_are_those_of_brute_force_with_all_that_are_as_near() -> None:
    base, queries = (RANDOM.integers(0, 256, (count, 8), np.uint8) for count in (300, 20))
    for query, found in zip(queries, places(nearest_by_hamming(base, queries)), strict=True):
        distances = np.unpackbits(base ^ query, axis=1).sum(axis=1)
        assert found == np.flatnonzero(distances <= np.sort(distances)[K - 1]).tolist()


def test_the_nearest_by_words_are_those_of_brute_force_with_all_that_score_as_high() -> None:
    cells = [{int(i): float(RANDOM.integers(1, 4)) for i in RANDOM.choice(30, 4, replace=False)} for _ in range(320)]
    queries = cells[300:]
    for query, found in zip(queries, places(nearest_by_words(SparseVectors.of(cells[:300]), SparseVectors.of(queries))), strict=True):
        scores = np.array([sum(weight * query.get(word, 0.0) for word, weight in row.items()) for row in cells[:300]])
        assert found == np.flatnonzero(scores >= np.sort(scores)[-K]).tolist()


def test_a_query_that_shares_words_with_too_few_rows_has_no_nearest() -> None:
    rows = SparseVectors.of([{1: 1.0}] * K + [{2: 1.0}] * (K - 1))
    assert places(nearest_by_words(rows, SparseVectors.of([{1: 1.0}, {2: 1.0}]))) == [list(range(K)), []]


def test_rare_words_weigh_more_and_so_do_repeated_ones_in_short_texts() -> None:
    rows, queries = weighted(["a b b c", "a d", "a"], ["A, d?", "unknown"])
    (asked, nothing) = queries
    assert nothing == {}
    assert asked[3] > asked[0] > 0
    assert rows[0][1] > rows[0][2] > 0
    assert rows[2][0] > rows[1][0] > rows[0][0]


@pytest.mark.parametrize("kind", [Signs, Words])
def test_columns_fit_the_fields_and_what_was_made_is_kept(kind: type[Signs | Words], tmp_path: Path) -> None:
    source = kind(Packages(None))
    opened: DataSet = source.open()
    columns = source.columns(opened, 10, 30)
    assert list(columns) == [field.name for field in source.fields]
    assert {len(cells) for cells in columns.values()} == {20}
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    again = source.open()
    assert kept.stat().st_mtime_ns == written
    assert np.array_equal(again.truth, opened.truth)
    assert (opened.truth[:, :K] != NO_ID).all()
    assert recall(opened.truth[:, :K], opened.truth) == 1.0
    assert recall(np.full((len(opened.truth), K), -1), opened.truth) == 0.0
