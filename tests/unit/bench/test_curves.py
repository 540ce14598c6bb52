"""Speeds are compared at equal recall."""

from __future__ import annotations

import pytest

from bench.bare import Point
from bench.figures.curves import rate_at

POINTS = [Point(1, 0.80, 1_000.0), Point(2, 0.90, 100.0), Point(4, 0.96, 10.0)]


@pytest.mark.parametrize(("wanted", "rate"), [(0.80, 1_000.0), (0.70, 1_000.0), (0.85, 316.2278), (0.90, 100.0), (0.96, 10.0)])
def test_a_rate_between_two_points_lies_on_the_line_between_their_logarithms(wanted: float, rate: float) -> None:
    assert rate_at(POINTS, wanted) == pytest.approx(rate)
