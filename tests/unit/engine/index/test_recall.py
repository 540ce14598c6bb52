"""Recall as a promise: kept on queries that were not measured, measured again when rows or queries change, honest about its sample."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippod.engine.index.exact import Hits
from hippod.engine.index.recall.audit import PROMISES_MAX, Audit
from hippod.engine.index.recall.calibration import fit_cost, ladder
from hippod.engine.index.recall.curve import Cost, Curve, Estimate, Point, bucket_of, estimate, promised_recall
from hippod.engine.index.recall.found import recall_of
from hippod.engine.index.recall.recent import QUERIES_MIN, RecentQueries
from hippod.engine.index.spec import Tuning
from hippod.engine.index.vectors import Vectors
from hippod.engine.operations import Metric
from hippod.errors import Rejected
from tests.unit.engine.index.subject import DIMENSION, Subject, activate

ROWS = 6_000


@pytest.fixture(scope="module", params=["IVF_PQ_FS", "HNSW"])
def activated(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Where an index of this kind lies, trained, measured and closed."""
    kind: str = request.param
    directory = tmp_path_factory.mktemp(kind) / kind

    async def train() -> None:
        made = over_rows(directory)
        await activate(made)
        await made.measured()
        await made.index.close(save=True)
        made.pool.close()

    directory.mkdir()
    asyncio.run(train())
    return directory


@pytest.fixture
async def subject(activated: Path, tmp_path: Path) -> AsyncIterator[Subject]:
    directory = tmp_path / activated.name
    shutil.copytree(activated, directory)
    made = over_rows(directory)
    await made.index.load(lambda _share, _stage: None)
    await made.trained()
    await made.measured()
    yield made
    await made.index.close(save=False)
    made.pool.close()


def over_rows(directory: Path) -> Subject:
    """An index whose kind is the name of its directory, before it has been trained or loaded."""
    made = Subject(directory, "l2", directory.name, {"nlist": 60, "M": 10, "ef_construction": 40})
    made.rows.add(made.vectors(ROWS))
    return made


async def found(subject: Subject, queries: Vectors, promise: float) -> float:
    """The mean recall@10 of a search with a promise."""
    exact = await subject.index.search_among(queries, 10, np.arange(subject.rows.count))
    hits = await subject.index.search(queries, 10, {"recall": promise})
    return float(recall_of(hits, exact.scores[:, 9], 10, Metric.L2).mean())


@pytest.mark.parametrize("promise", [0.8, 0.9, 0.95])
async def test_a_promise_holds_on_queries_that_were_not_measured_and_is_cheaper_than_a_higher_one(subject: Subject, promise: float) -> None:
    assert await found(subject, subject.vectors(1_000), promise) >= promise - 0.01
    setting = subject.index._recall.tuning(10, promise)
    higher = subject.index._recall.tuning(10, 0.97)
    assert setting is not None
    assert higher is None or setting.effort <= higher.effort


async def test_a_promise_that_no_setting_holds_is_answered_exactly(subject: Subject) -> None:
    assert subject.index._recall.tuning(10, 0.999) is None
    assert await found(subject, subject.vectors(50), 0.999) == 1.0


async def test_another_number_of_hits_is_exact_until_its_own_curve_is_measured(subject: Subject) -> None:
    assert [curve.k for curve in subject.index.describe_recall().curves] == [10]
    exact = await subject.index.search_among(subject.queries, 50, np.arange(ROWS))
    hits = await subject.index.search(subject.queries, 50, {"recall": 0.9})
    assert (hits.slots == exact.slots).all()
    await subject.measured()
    assert [curve.k for curve in subject.index.describe_recall().curves] == [10, 60]


async def test_curves_outlive_a_restart_and_damaged_ones_are_measured_again(subject: Subject) -> None:
    (curve,) = subject.index.describe_recall().curves
    for damage in (False, True):
        await subject.index.close(save=False)
        path = subject.directory / "recall.json"
        if damage:
            path.write_bytes(path.read_bytes().replace(b'"effort":', b'"effort":1', 1))
        subject.index = subject.another()
        await subject.index.load(lambda _share, _stage: None)
        await subject.trained()
        await subject.measured()
        (again,) = subject.index.describe_recall().curves
        assert (again.measured_at == curve.measured_at) is not damage
    assert await found(subject, subject.vectors(1_000), 0.9) >= 0.89


@pytest.mark.parametrize(
    ("changed", "is_measured_again"), [("nothing", False), ("few died", False), ("many died", True), ("many new", True)]
)
async def test_what_changed_before_a_restart_counts_after_it(subject: Subject, changed: str, is_measured_again: bool) -> None:
    (before,) = subject.index.describe_recall().curves
    died = {"few died": ROWS // 20, "many died": ROWS // 8}.get(changed, 0)
    subject.remove(np.arange(died))
    if changed == "many new":
        subject.add(subject.vectors(ROWS // 8))
    await subject.index.close(save=False)
    subject.index = subject.another()
    await subject.index.load(lambda _share, _stage: None)
    await subject.trained()
    await subject.measured()
    await subject.index.search(subject.queries, 10, {"recall": 0.9})
    await subject.measured()
    (after,) = subject.index.describe_recall().curves
    assert (after.measured_at > before.measured_at) is is_measured_again
    assert after.rows == (subject.rows.live_count if is_measured_again else before.rows)


async def test_queries_that_came_replace_rows_in_the_next_measurement(subject: Subject) -> None:
    assert not subject.index.describe_recall().curves[0].from_queries
    for query in subject.vectors(QUERIES_MIN):
        await subject.index.search(query[None], 10, {"nprobe": 1} if subject.spec.nlist else {})
    await subject.index.search(subject.queries, 10, {"recall": 0.9})
    await subject.measured()
    (measured,) = subject.index.describe_recall().curves
    assert (measured.from_queries, measured.queries) == (True, QUERIES_MIN)


async def test_a_promise_holds_after_rows_drifted_away_without_being_asked_for_again(subject: Subject) -> None:
    (before,) = subject.index.describe_recall().curves
    await subject.index.search(subject.queries, 10, {"recall": 0.9})
    drifted = subject.vectors(ROWS * 3 // 10) * 0.5 + 2.0
    subject.add(drifted.astype(np.float32))
    await subject.measured()
    (after,) = subject.index.describe_recall().curves
    assert after.rows > before.rows
    queries = np.concatenate((subject.vectors(500), subject.vectors(150) * np.float32(0.5) + np.float32(2.0)))
    assert await found(subject, queries, 0.9) >= 0.89


async def test_the_audit_answers_searches_exactly_once_more_and_a_broken_promise_is_measured_again(subject: Subject) -> None:
    keeper = subject.index._recall
    await subject.index.search(subject.queries, 10, {"recall": 0.9})
    assert keeper._auditing is not None
    await keeper._auditing
    (audited,) = subject.index.describe_recall().audited
    assert (audited.promised, audited.found.samples) == (0.9, 1)
    for _ in range(100):
        keeper._audit.add(0.9, 0.5)
    keeper._next_audit = 0.0
    measured_at = subject.index.describe_recall().curves[0].measured_at
    await subject.index.search(subject.queries, 10, {"recall": 0.9})
    assert keeper._auditing is not None
    await keeper._auditing
    await subject.measured()
    state = subject.index.describe_recall()
    assert state.curves[0].measured_at > measured_at
    assert state.audited == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"recall": 0.4}, "recall is a number from 0.5 to 0.999, not '0.4'"),
        ({"recall": 1}, "not '1'"),
        ({"recall": True}, "not 'True'"),
        ({"recall": "much"}, "not 'much'"),
        ({"recall": float("nan")}, "not 'nan'"),
        ({"recall": 0.9, "nprobe": 5}, "leave out nprobe, or recall"),
        ({"recall": 0.9, "ef_search": 50, "reorder": 100}, "leave out ef_search and reorder, or recall"),
    ],
)
def test_a_promise_out_of_range_or_beside_a_setting_is_refused(params: dict[str, object], said: str) -> None:
    with pytest.raises(Rejected, match=said):
        promised_recall(params)


def test_a_promise_may_be_a_text_and_may_be_absent() -> None:
    assert promised_recall({"recall": "0.95"}) == 0.95
    assert promised_recall({"recall": None, "nprobe": 3}) is None


@given(st.lists(st.integers(0, 10), min_size=1, max_size=400))
def test_bounds_enclose_the_mean_and_no_clean_sample_is_certain(found_of_ten: list[int]) -> None:
    made = estimate(np.array(found_of_ten) / 10)
    assert made.low <= made.mean + 0.5 / (len(found_of_ten) + 1)
    assert made.high >= made.mean - 0.5 / (len(found_of_ten) + 1)
    assert made.low < 1.0


def test_lower_bounds_hold_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    held = [estimate(random.binomial(10, 0.93, 300) / 10).low <= 0.93 for _ in range(500)]
    assert 0.93 <= np.mean(held) <= 1.0


def point(effort: int, reorder: int, low: float, took_us: float = 10.0) -> Point:
    return Point(effort, reorder, Estimate(low, low, low, 300), took_us)


def curve(*points: Point) -> Curve:
    return Curve(10, points, Cost(5.0, 2.0, 0.1), 1, 1, True, 0.0)


def test_the_cheapest_setting_that_holds_is_chosen() -> None:
    subject = curve(point(1, 60, 0.7), point(2, 60, 0.91), point(4, 60, 0.93), point(1, 180, 0.75), point(2, 180, 0.96))
    assert subject.choose(0.9) == Tuning(2, 60)
    assert subject.choose(0.96) == Tuning(2, 180)
    assert subject.choose(0.97) is None
    assert curve().choose(0.5) is None


def test_between_two_efforts_that_were_measured_lies_the_least_that_holds() -> None:
    subject = curve(point(10, 60, 0.80), point(20, 60, 0.90), point(30, 60, 0.95))
    assert [subject.choose(promise) for promise in (0.7, 0.8, 0.84, 0.86, 0.9, 0.912)] == [
        Tuning(effort, 60) for effort in (10, 10, 14, 16, 20, 23)
    ]


def test_between_two_numbers_of_candidates_that_were_measured_lies_the_least_that_holds() -> None:
    subject = curve(point(10, 120, 0.94), point(14, 120, 0.945), point(10, 240, 0.97), point(14, 240, 0.98))
    assert [subject.choose(promise) for promise in (0.94, 0.95, 0.955, 0.97, 0.98)] == [
        Tuning(10, 120),
        Tuning(10, 160),
        Tuning(10, 180),
        Tuning(10, 240),
        Tuning(14, 240),
    ]
    assert subject.choose(0.981) is None
    # Neither 10, 12 nor 14 leaves and 240 candidates, nor 14 leaves and 198: effort and candidates both lie between.
    subject = curve(point(10, 120, 0.93), point(14, 120, 0.938), point(10, 240, 0.95), point(14, 240, 0.958))
    assert subject.choose(0.951) == Tuning(11, 234)


@given(
    base=st.floats(1, 100),
    by_effort=st.floats(0, 10),
    by_reorder=st.floats(0, 1),
    noise=st.lists(st.floats(1.0, 1.05), min_size=24, max_size=24),
)
def test_the_cost_of_settings_is_found_through_the_noise_of_a_clock_and_never_falls(
    base: float, by_effort: float, by_reorder: float, noise: list[float]
) -> None:
    efforts = [(effort, reorder) for reorder in (30, 60, 120) for effort in ladder(12)]
    points = [
        point(effort, reorder, 0.9, (base + by_effort * effort + by_reorder * reorder) * factor)
        for (effort, reorder), factor in zip(efforts, noise * 2, strict=False)
    ]
    cost = fit_cost(tuple(points))
    assert min(cost.base_us, cost.effort_us, cost.reorder_us) >= 0
    for one in points:
        assert cost.of(Tuning(one.effort, one.reorder)) == pytest.approx(one.took_us, rel=0.12)


@pytest.mark.parametrize("effort_max", [1, 2, 7, 100, 4_096])
def test_the_ladder_rises_by_about_a_quarter_and_stays_below_what_exact_search_does_better(effort_max: int) -> None:
    efforts = ladder(effort_max)
    assert efforts == sorted(set(efforts))
    assert all(effort < effort_max for effort in efforts)
    assert all(b <= 1.25 * (a + 1) for a, b in itertools.pairwise(efforts))


def test_rows_that_are_equally_near_count_as_found_whichever_of_them_is_returned() -> None:
    hits = Hits(np.array([[5, 9]]), np.array([[1.0, 2.0]], np.float32), np.array([2], np.int32))
    assert recall_of(hits, np.array([2.0], np.float32), 2, Metric.L2) == [1.0]
    assert recall_of(hits, np.array([1.5], np.float32), 2, Metric.L2) == [0.5]
    assert recall_of(hits, np.array([1.5], np.float32), 2, Metric.IP) == [0.5]


def test_the_audit_is_bounded() -> None:
    audit = Audit()
    for promise in np.linspace(0.5, 0.99, 3 * PROMISES_MAX):
        for _ in range(3):
            audit.add(float(promise), 1.0)
    assert len(audit.figures()) == PROMISES_MAX


def test_recent_queries_are_bounded_and_old_ones_fade() -> None:
    recent = RecentQueries()
    for number in range(40_000):
        recent.add(np.full((1, DIMENSION), number, np.float32))
    drawn = recent.draw(2_000)
    assert drawn.shape == (recent.count, DIMENSION)
    assert len(np.unique(drawn[:, 0])) == recent.count
    assert np.median(drawn[:, 0]) > 30_000


def test_queries_of_many_dimensions_take_no_more_memory_than_is_given_to_them() -> None:
    recent = RecentQueries()
    for number in range(2 * QUERIES_MIN):
        recent.add(np.full((1, 65_536), number, np.float32))
    assert recent.count == QUERIES_MIN


def test_of_queries_that_come_together_any_may_be_kept_and_one_that_comes_again_counts_once() -> None:
    recent = RecentQueries()
    together = np.arange(30 * DIMENSION, dtype=np.float32).reshape(30, DIMENSION)
    for _ in range(3_000):
        recent.add(together)
    assert recent.count == 30
    assert sorted(recent.draw(100)[:, 0].tolist()) == together[:, 0].tolist()


def test_buckets_are_the_next_larger_number_of_hits() -> None:
    assert [bucket_of(k) for k in (1, 10, 11, 1_000, 1_001)] == [10, 10, 30, 1_000, None]


async def test_an_index_trained_anew_is_measured_anew_also_over_as_many_rows(subject: Subject) -> None:
    (before,) = subject.index.describe_recall().curves
    await subject.index.rebuild(lambda _share, _stage: None)
    await subject.measured()
    (after,) = subject.index.describe_recall().curves
    assert after.measured_at > before.measured_at
    assert after.rows == before.rows


async def test_a_plan_shows_the_setting_that_a_promise_gets(subject: Subject) -> None:
    setting = subject.index._recall.tuning(10, 0.9)
    assert setting is not None
    assert subject.index.tuning_for(10, {"recall": 0.9}, 10) == setting
    with pytest.raises(Rejected, match="leave out nprobe"):
        subject.index.tuning_for(10, {"recall": 0.9, "nprobe": 3}, 10)


async def test_measuring_is_shown_while_it_lasts(subject: Subject) -> None:
    await subject.index.search(subject.queries, 30, {"recall": 0.9})
    await subject.measured()
    ((action, stages),) = subject.shown
    assert action == "measure_recall"
    assert (stages[0], stages[-1]) == ("finding exact answers for k up to 30", "measuring recall for k up to 30")
    assert subject.index.describe_recall().measuring == ""


async def test_measuring_rests_after_each_batch_while_users_search(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        rests.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", noted)
    queries = subject.vectors(1)
    searched = 0
    await subject.index.search(queries, 30, {"recall": 0.9})
    while subject.index.describe_recall().measuring:
        await subject.index.search(queries, 10, {"nprobe": 5})
        searched += 1
    assert any(curve.k == 30 for curve in subject.index.describe_recall().curves)
    assert 1 < len(rests) <= searched + 1
    assert all(seconds > 0 for seconds in rests)
    before = len(rests)
    await subject.index.search(queries, 60, {"recall": 0.9})
    while subject.index.describe_recall().measuring:
        await sleep(0.01)
    assert len(rests) <= before + 1
