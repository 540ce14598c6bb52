"""Which rows of a block are among others, against sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hippod.engine.rowblock import are_among

_IDS = st.lists(st.integers(0, 60), unique=True).map(sorted)


@given(_IDS, _IDS)
def test_rows_are_among_others_as_in_sets(row_ids: list[int], others: list[int]) -> None:
    found = are_among(np.array(row_ids, np.int64), np.array(others, np.int64))
    assert found.tolist() == [row_id in others for row_id in row_ids]
