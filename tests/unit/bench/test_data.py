"""The data sets of the benchmarks are what they say: the truth is exact and never changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import data
from bench.data import Generated, K, Packages, recall


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> data.DataSet:
    monkeypatch.setattr(data, "CACHE", tmp_path)
    return Generated(3_000).open()


def test_truth_of_generated_set_is_the_brute_force_answer(generated: data.DataSet) -> None:
    for query, truth in list(zip(generated.queries, generated.truth, strict=True))[:50]:
        distances = np.square(generated.base.astype(np.float64) - query).sum(axis=1)
        assert np.argsort(distances)[:K].tolist() == truth.tolist()


def test_generated_set_is_the_same_every_time(generated: data.DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "CACHE", tmp_path / "again")
    again = Generated(3_000).open()
    assert np.array_equal(generated.base, again.base)
    assert np.array_equal(generated.queries, again.queries)


def test_columns_of_a_source_fit_its_fields(generated: data.DataSet) -> None:
    demo = Packages(None)
    for source, opened in ((Generated(3_000), generated), (demo, demo.open())):
        columns = source.columns(opened, 10, 30)
        assert list(columns) == [field.name for field in source.fields]
        assert {len(cells) for cells in columns.values()} == {20}


def test_recall_counts_the_true_nearest_in_any_order() -> None:
    truth = np.arange(2 * K).reshape(2, K)
    found = truth.copy()[:, ::-1]
    assert recall(found, truth) == 1.0
    found[0, :5] = -1
    assert recall(found, truth) == 0.75
