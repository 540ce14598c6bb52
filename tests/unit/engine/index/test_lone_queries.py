"""A query finds alone what it finds in a batch, also where the leaves that it visits hold fewer rows than are wanted."""

from __future__ import annotations

import numpy as np
import pytest

from hippod.engine.index import engines
from hippod.engine.index.spec import IndexSpec
from hippod.engine.schema import DataType, Field

DIMENSION = 8
FIELD = Field("v", DataType.FLOAT_VECTOR, dimension=DIMENSION)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("kind", ["IVF_FLAT", "IVF_PQ_FS", "IVF_SQ", "HNSW"])
def test_a_query_finds_alone_what_it_finds_in_a_batch(kind: str, metric: str) -> None:
    rows = np.random.default_rng(1).standard_normal((2_000, DIMENSION), np.float32)
    spec = IndexSpec.of(kind, metric, {} if kind == "HNSW" else {"nlist": 40}, FIELD)
    recipe = spec.recipe(len(rows))
    assert recipe is not None
    index = engines.train(recipe, rows, spec.metric, 1)
    for effort, k in ((1, 5), (1, 150), (8, 5)):
        together = index.search(rows[:20], k, effort, 40)
        for number in range(20):
            alone = index.search(rows[number : number + 1], k, effort, 40)
            count = int(alone.counts[0])
            assert count == together.counts[number]
            assert alone.positions.shape == (1, k)
            assert np.array_equal(alone.positions[0, :count], together.positions[number, :count])
            assert np.allclose(alone.scores[0, :count], together.scores[number, :count], rtol=1e-5, atol=1e-6)
