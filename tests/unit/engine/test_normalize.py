"""Vectors that no index can take are found, and the first of them is named."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hippod.engine.vector_cells import check_finite
from hippod.errors import InvalidVector

TINY = float(np.finfo(np.float32).tiny)
CELLS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -2.5, TINY, -TINY, TINY / 2, -TINY / 4, float("inf"), float("-inf"), float("nan")]),
    st.floats(width=32),
)


def first_bad(vectors: npt.NDArray[np.float32], *, zero_refused: bool) -> int | None:
    """What `check_finite` should name, cell by cell: a number that is none, before a vector that is zero."""
    for position, vector in enumerate(vectors):
        if any(not np.isfinite(cell) or 0 < abs(float(cell)) < TINY for cell in vector):
            return position
    for position, vector in enumerate(vectors):
        if zero_refused and all(cell == 0 for cell in vector):
            return position
    return None


@pytest.mark.parametrize("ordinary", [0, 10_000])
@example(odd=np.array([[1, 2, 3], [0, 0, 0]], np.float32), zero_refused=True)
@given(odd=arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=CELLS), zero_refused=st.booleans())
def test_first_vector_that_is_no_direction_or_no_number_is_named(odd: npt.NDArray[np.float32], zero_refused: bool, ordinary: int) -> None:
    vectors = np.concatenate((np.full((ordinary, odd.shape[1]), -0.5, np.float32), odd))
    expected = first_bad(odd, zero_refused=zero_refused)
    if expected is None:
        check_finite("v", vectors, zero_refused=zero_refused)
        return
    with pytest.raises(InvalidVector) as caught:
        check_finite("v", vectors, zero_refused=zero_refused)
    assert caught.value.details == {"field": "v", "position": ordinary + expected}
