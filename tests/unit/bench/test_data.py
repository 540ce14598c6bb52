"""The data sets of the benchmarks are what they say: the truth is exact and never changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import data
from bench.data import SHARES, Generated, K, Packages, nearest, recall


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


def test_restrictions_name_the_rows_that_match(generated: data.DataSet) -> None:
    demo = Packages(None)
    for source, opened in ((Generated(3_000), generated), (demo, demo.open())):
        found = source.restrictions(opened)
        assert len(found) == len(SHARES)
        assert [r.share for r in found] == sorted(r.share for r in found)
        columns = source.columns(opened, 0, len(opened.base))
        for restriction in found:
            field, operator, bound = restriction.filter.split()
            cells = np.array(columns[field])
            matching = {"<": np.less, ">=": np.greater_equal, "==": np.equal}[operator](cells, type(cells.tolist()[0])(bound.strip('"')))
            assert np.flatnonzero(matching).tolist() == restriction.rows.tolist()
            if field != "section":
                assert 0.5 * restriction.share <= len(restriction.rows) / len(opened.base) <= 1.5 * restriction.share + 1e-3


def test_of_fewer_rows_than_wanted_all_are_the_nearest() -> None:
    base = np.arange(8, dtype=np.float32).reshape(4, 2)
    assert nearest(base, base[:1]).tolist() == [[0, 1, 2, 3]]
