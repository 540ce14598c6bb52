"""How many queries a host answers in one call follows from how long it takes for each."""

from __future__ import annotations

from hippod.engine.index.batch_size import BatchSize
from hippod.engine.index.protocol import BATCH_QUERIES_MAX


def after(size: BatchSize, calls: int, queries: int, query_s: float) -> int:
    for _ in range(calls):
        size.took(queries, queries * query_s)
    return size.queries


def test_batches_grow_where_queries_are_long_and_shrink_again_where_they_are_short() -> None:
    size = BatchSize()
    assert after(size, 100, BATCH_QUERIES_MAX, 80e-6) == BATCH_QUERIES_MAX
    assert after(size, 100, BATCH_QUERIES_MAX, 400e-6) == 2 * BATCH_QUERIES_MAX
    assert after(size, 100, 2 * BATCH_QUERIES_MAX, 300e-6) == 2 * BATCH_QUERIES_MAX
    assert after(size, 100, 2 * BATCH_QUERIES_MAX, 80e-6) == BATCH_QUERIES_MAX


def test_one_slow_call_and_calls_of_few_queries_change_nothing() -> None:
    size = BatchSize()
    after(size, 100, BATCH_QUERIES_MAX, 80e-6)
    assert after(size, 1, BATCH_QUERIES_MAX, 600e-6) == BATCH_QUERIES_MAX
    assert after(size, 100, 1, 900e-6) == BATCH_QUERIES_MAX
