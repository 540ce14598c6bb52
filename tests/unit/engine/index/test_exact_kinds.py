"""Exact search over binary and sparse vectors against a brute force in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippod.engine.arrays import SparseArray
from hippod.engine.index import exact_sparse
from hippod.engine.index.exact import Hits, merge_best
from hippod.engine.index.exact_binary import distances, search_binary
from hippod.engine.index.exact_kinds import exact_search
from hippod.engine.index.exact_sparse import SparseSearch
from hippod.engine.index.sparse_vectors import SparseVectorFile
from hippod.engine.index.vectors import VectorFile
from hippod.engine.operations.indexes import Metric

SEEDS = st.integers(0, 2**32 - 1)


def bits(cell: npt.NDArray[np.uint8]) -> set[int]:
    return set(np.flatnonzero(np.unpackbits(cell)).tolist())


def distance(metric: Metric, left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> float:
    one, other = bits(left), bits(right)
    if metric is Metric.HAMMING:
        return float(len(one ^ other))
    return 1 - len(one & other) / len(one | other) if one | other else 0.0


def sparse(cells: list[dict[int, float]]) -> SparseArray:
    flat = [entry for cell in cells for entry in sorted(cell.items())]
    offsets = np.cumsum([0, *map(len, cells)]).astype(np.int64)
    return SparseArray(offsets, np.array([i for i, _ in flat], np.uint32), np.array([v for _, v in flat], np.float32))


def drawn_cells(rng: np.random.Generator, count: int) -> list[dict[int, float]]:
    """Small whole values and few indices: many collide, and every product is exact."""
    sizes = rng.integers(0, 6, count).tolist()
    return [dict.fromkeys(rng.choice(12, n, replace=False).tolist(), float(rng.integers(1, 5)) * (-1) ** n) for n in sizes]


def check(hits: Hits, wanted: list[dict[int, float]], k: int, best: int) -> None:
    """Against the scores of the candidates of each query, by slot; `best` is 1 where low scores are, -1 where high ones are."""
    for row, scores in enumerate(wanted):
        count = min(k, len(scores))
        assert hits.counts[row] == count
        found = hits.slots[row, :count].tolist()
        assert len(set(found)) == count
        assert [scores[slot] for slot in found] == pytest.approx(hits.scores[row, :count].tolist())
        assert hits.scores[row, :count].tolist() == pytest.approx(sorted(scores.values(), key=lambda score: best * score)[:count])


def candidates(count: int, slots: npt.NDArray[np.int64] | None, alive: npt.NDArray[np.bool_] | None) -> list[int]:
    chosen = range(count) if slots is None else slots.tolist()
    return [slot for slot in chosen if alive is None or alive[slot]]


@given(
    SEEDS,
    st.sampled_from([1, 2, 3, 4, 8, 12, 48]),
    st.sampled_from([Metric.HAMMING, Metric.JACCARD]),
    st.integers(1, 12),
    st.sampled_from([0, 7, 29]),
    st.sampled_from([0, 1, 11]),
    st.sampled_from([0, 0.1, 0.7]),
)
def test_binary_hits_are_those_of_brute_force(seed: int, width: int, metric: Metric, k: int, first: int, some: int, living: float) -> None:
    rng = np.random.default_rng(seed)
    # Often no bit at all, which is where jaccard has no union.
    rows = rng.integers(0, 256, (30, width), np.uint8) & rng.choice(np.array([0, 17, 255], np.uint8), (30, 1))
    queries = np.concatenate((rows[:2], rng.integers(0, 256, (2, width), np.uint8)))
    alive = rng.random(30) < living if seed % 2 else None
    slots = np.sort(rng.choice(30, some, replace=False)) if seed % 3 else None
    searched = [slot for slot in candidates(30, slots, alive) if slots is not None or slot >= first]
    wanted = [{slot: distance(metric, rows[slot], query) for slot in searched} for query in queries]
    check(search_binary(rows, metric, queries, k, slots=slots, alive=alive, first=first), wanted, k, 1)


def test_binary_search_in_chunks_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hippod.engine.index.exact_binary._SCORES_AT_ONCE", 1)
    rows = np.random.default_rng(1).integers(0, 256, (2_000, 8), np.uint8)
    hits = search_binary(rows, Metric.JACCARD, rows[::100], 5)
    assert hits.slots[:, 0].tolist() == list(range(0, 2_000, 100))
    assert np.array_equal(hits.scores, np.sort(distances(rows, rows[::100], Metric.JACCARD), axis=1)[:, :5])


@pytest.mark.parametrize("k", [5, 300])
def test_binary_rows_that_are_copied_in_chunks_are_searched_as_one(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    monkeypatch.setattr("hippod.engine.index.exact_binary._BYTES_AT_ONCE", 1)
    rows = np.random.default_rng(1).integers(0, 256, (2_000, 8), np.uint8)
    slots, alive = np.arange(1, 2_000, 2), np.arange(2_000) % 3 > 0
    hits = search_binary(rows, Metric.HAMMING, rows[::100], k, slots=slots, alive=alive)
    searched = slots[alive[slots]]
    wanted = distances(rows[searched], rows[::100], Metric.HAMMING)
    assert np.array_equal(hits.scores, np.sort(wanted, axis=1)[:, :k])
    assert np.array_equal(np.take_along_axis(wanted, np.searchsorted(searched, hits.slots), axis=1), hits.scores)
    assert all(len(set(found)) == k for found in hits.slots.tolist())


@given(SEEDS, st.sampled_from([1, 10, 400]), st.sampled_from([3, 10_000]), st.integers(0, 4_000))
def test_the_best_of_many_ranks_are_kept_whatever_they_are_and_wherever_they_stand(seed: int, wide: int, different: int, dead: int) -> None:
    rng = np.random.default_rng(seed)
    ranks = -rng.integers(0, different, (3, 6_000)).astype(np.float32)
    ranks[:, :dead] = -np.inf
    best, places = np.empty((3, 0), np.float32), np.empty((3, 0), np.int64)
    for start, stop in ((0, 4_500), (4_500, 6_000)):
        best, places = merge_best(best, places, ranks[:, start:stop], start, wide)
    assert np.array_equal(np.take_along_axis(ranks, places, 1), best)
    assert np.array_equal(np.sort(best, axis=1), np.sort(ranks, axis=1)[:, -wide:])
    assert all(len(set(row)) == wide for row in places.tolist())


def test_a_row_whose_rank_overflows_is_found_among_any_number_of_others(tmp_path: Path) -> None:
    rows = np.random.default_rng(2).standard_normal((5_000, 4), dtype=np.float32)
    rows[4_000] = 3e19
    file = VectorFile(tmp_path / "floats", 4)
    file.write(0, rows)
    hits = exact_search(file, Metric.L2).search(5_000, rows[[4_000, 7]], 2, None, None)
    assert hits.slots[:, 0].tolist() == [4_000, 7]
    file.close()


@pytest.fixture(scope="module", params=[1, 20, 1 << 15], ids="{} entries at once".format)
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_sparse, "_ENTRIES_AT_ONCE", request.param)
        yield tmp_path_factory.mktemp("sparse")


@given(SEEDS, st.integers(1, 12), st.integers(1, 4))
def test_sparse_hits_are_those_of_brute_force_while_rows_come(directory: Path, seed: int, k: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    cells = drawn_cells(rng, 40)
    asked = [*drawn_cells(rng, 3), {}]
    file = SparseVectorFile(directory / "rows")
    search = SparseSearch(file)
    try:
        for count in sorted(rng.integers(1, 40, parts).tolist()):
            file.write(0, sparse(cells[:count]))
            alive = rng.random(count) < 0.7 if seed % 2 else None
            slots = np.sort(rng.choice(count, (count + 1) // 2, replace=False)) if seed % 3 else None
            products = [
                {slot: sum(v * query.get(i, 0.0) for i, v in cells[slot].items()) for slot in candidates(count, slots, alive)}
                for query in asked
            ]
            check(search.search(count, sparse(asked), k, slots, alive), products, k, -1)
    finally:
        file.close()


def test_segments_stay_few_and_hold_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_sparse, "_SEGMENT_ROWS_MAX", 64)
    monkeypatch.setattr(exact_sparse, "_OWN_SEGMENT_ROWS_MAX", 0)
    file = SparseVectorFile(tmp_path / "rows")
    search = SparseSearch(file)
    for row in range(300):
        file.write(row, sparse([{row: 1.0}]))
        hits = search.search(row + 1, sparse([{row: 2.0}]), 1, None, None)
        assert (hits.slots.tolist(), hits.scores.tolist()) == ([[row]], [[2.0]])
    assert len(search._segments) <= 300 // 64 + 8
    among = np.array([3, 70, 299])
    assert search.search(300, sparse([{70: 1.0}]), 1, among, None).slots.tolist() == [[70]]
    file.close()
