"""The table of the benchmarks says what was reached, and what was not."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.report import Report, Row


def _row(reached: float, target: float, *, less_is_better: bool = False) -> Row:
    return Row("speed", "some data", 10.0, "/s", 20.0, "direct", reached, "of direct", target, less_is_better, 0.951)


def test_a_row_holds_on_the_right_side_of_its_target() -> None:
    assert _row(0.7, 0.7).holds
    assert not _row(0.69, 0.7).holds
    assert _row(0.7, 0.7, less_is_better=True).holds
    assert not _row(0.71, 0.7, less_is_better=True).holds


def test_a_speed_without_its_recall_does_not_hold() -> None:
    assert not msgspec.structs.replace(_row(0.7, 0.7), recall_min=0.96).holds
    assert msgspec.structs.replace(_row(0.7, 0.7), recall_min=0.95).holds


def test_table_names_what_was_not_reached_with_its_limit_and_recall() -> None:
    report = Report.begin({})
    report.rows["speed/some"] = [_row(0.5, 0.7), _row(0.8, 0.7)]
    lines = [line for line in report.table().splitlines() if line.startswith("| speed")]
    assert "NOT reached" in lines[0]
    assert "NOT reached" not in lines[1]
    assert all("20 /s, direct" in line and "0.951" in line for line in lines)


def test_report_can_be_gone_on_with(tmp_path: Path) -> None:
    report = Report.begin({"rows": "3"})
    report.rows["speed/some"] = [_row(0.5, 0.7)]
    report.write(tmp_path / "out" / "latest.json")
    again = Report.read(tmp_path / "out" / "latest.json")
    assert again == report
