"""Binary and sparse vectors in what is done to whole tables: distances, copies, searches over several tables, statistics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippod.engine.arrays import Column, SparseArray
from hippod.engine.engine import Engine
from hippod.engine.operations import (
    ActivateIndex,
    AnalyzeTable,
    CopyByQuery,
    CreateIndex,
    CreateTable,
    Distance,
    Get,
    GetStatistics,
    GivenVectors,
    Insert,
    MultiSearch,
    StoredVectors,
    WarmUpTable,
)
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import InvalidVector, TypeMismatch
from tests.unit.engine.harness import opened, run

SCHEMA = Schema(
    fields=(
        Field("id", DataType.INT64, primary_key=True),
        Field("raw", DataType.BLOB, nullable=True),
        Field("f", DataType.FLOAT_VECTOR, dimension=2),
        Field("b", DataType.BINARY_VECTOR, dimension=16),
        Field("s", DataType.SPARSE_FLOAT_VECTOR),
    )
)
BITS = np.array([[255, 0], [255, 0], [1, 1], [0, 0]], np.uint8)
SPARSE = SparseArray(np.array([0, 1, 3, 3, 4], np.int64), np.array([5, 5, 9, 9], np.uint32), np.array([2.0, 1.0, 3.0, -1.0], np.float32))
IDS = np.arange(4)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        await run(engine, CreateTable("t", SCHEMA, tablets=2))
        columns = [Column("id", IDS), Column("f", np.ones((4, 2), np.float32)), Column("b", BITS), Column("s", SPARSE)]
        await run(engine, Insert("t", columns))
        yield engine


async def distances(engine: Engine, left: Any, field: str, metric: str | None) -> list[list[float]]:
    stored = StoredVectors("t", Column("", IDS), field)
    result = await run(engine, Distance(GivenVectors(left), stored, metric))
    found: list[list[float]] = result.distances.tolist()
    return found


async def test_distances_are_those_of_the_definition(engine: Engine) -> None:
    query = np.array([[128, 1]], np.uint8)
    assert await distances(engine, query, "b", "Hamming") == [[8.0, 8.0, 2.0, 2.0]]
    assert await distances(engine, query, "b", "JACCARD") == [pytest.approx([8 / 9, 8 / 9, 2 / 3, 1.0])]
    assert await distances(engine, SPARSE[1:2], "s", "ip") == [[2.0, 10.0, 0.0, -3.0]]


async def test_without_a_metric_the_first_of_its_kind_of_vectors_counts(engine: Engine) -> None:
    assert await distances(engine, np.array([[128, 1]], np.uint8), "b", None) == [[8.0, 8.0, 2.0, 2.0]]
    assert await distances(engine, SPARSE[1:2], "s", None) == [[2.0, 10.0, 0.0, -3.0]]
    assert await distances(engine, np.array([[1, 3]], np.float32), "f", None) == [[4.0] * 4]


@pytest.mark.parametrize(
    ("left", "field", "metric", "error", "words"),
    [
        (BITS[:1], "b", "l2", TypeMismatch, "l2 compares float vectors, the left ones are binary"),
        (SPARSE[:1], "s", "cosine", TypeMismatch, "cosine compares float vectors"),
        (np.ones((1, 2), np.float32), "f", "jaccard", TypeMismatch, "jaccard compares binary vectors"),
        (SPARSE[:1], "f", "ip", TypeMismatch, "the left vectors are sparse ones, the right float ones"),
        (BITS[:1, :1], "b", "hamming", InvalidVector, "dimension 8, the right ones 16"),
        (np.array([1.0]), "f", "l2", TypeMismatch, "float32 or uint8 block"),
    ],
)
async def test_what_cannot_be_compared_is_refused(
    engine: Engine, left: Any, field: str, metric: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await distances(engine, left, field, metric)


async def test_copies_keep_every_kind_of_vector(engine: Engine) -> None:
    await run(engine, CreateTable("u", SCHEMA))
    await run(engine, CopyByQuery("t", "u"))
    b, s = (await run(engine, Get("u", Column("", IDS), ["b", "s"]))).columns
    assert b.values.tolist() == BITS.tolist()
    assert s.values.to_list() == SPARSE.to_list()


@pytest.mark.parametrize(
    ("field", "kind", "metric", "query", "best"),
    [("b", "BIN_FLAT", "hamming", BITS[2:3], 0.0), ("s", "SPARSE_HNSW", "ip", SPARSE[1:2], 10.0)],
)
async def test_a_search_over_tables_merges_in_the_order_of_the_metric(
    engine: Engine, field: str, kind: str, metric: str, query: Any, best: float
) -> None:
    await run(engine, CreateTable("u", SCHEMA))
    await run(engine, CopyByQuery("t", "u"))
    for table in ("t", "u"):
        await run(engine, CreateIndex(table, "ix", field, type=kind, metric=metric))
        await run(engine, ActivateIndex(table, "ix"))
    result = await run(engine, MultiSearch("*", query, k=3, field=field, output_fields=["id", "raw"]))
    assert result.scores[:2].tolist() == [best, best]
    assert set(result.origins[:2].tolist()) == {0, 1}
    assert result.scores.tolist() == sorted(result.scores.tolist(), reverse=metric == "ip")


async def test_statistics_count_distinct_vectors_and_warming_up_reads_them(engine: Engine) -> None:
    await run(engine, CreateTable("u", SCHEMA))
    await run(engine, CopyByQuery("t", "u"))
    await run(engine, AnalyzeTable("u"))
    (tablet,) = (await run(engine, GetStatistics("u"))).tablets
    found = {field.field: (field.keys, field.distinct) for field in tablet.fields}
    assert found == {"id": (4, 4), "raw": (0, 0), "f": (4, 1), "b": (4, 3), "s": (4, 4)}
    assert (await run(engine, WarmUpTable("u"))).rows == 4
