"""Distances between given and stored vectors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippod.engine.engine import Engine
from hippod.engine.operations import Distance, GivenVectors, StoredVectors, Upsert
from hippod.errors import FieldNotFound, HippodError, InvalidVector, LimitExceeded, NotFound, Rejected, TableNotFound, TypeMismatch
from tests.unit.engine.harness import book_columns, column, make_books, opened, run

RANDOM = np.random.default_rng(3)
A = RANDOM.normal(size=(5, 4)).astype(np.float32)
B = RANDOM.normal(size=(3, 4)).astype(np.float32)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        await make_books(engine, tablets=3)
        await run(engine, Upsert("books", book_columns(range(5), v=A)))
        yield engine


def stored(keys: list[int], **others: Any) -> StoredVectors:
    return StoredVectors("books", column("id", keys), **others)


def by_definition(metric: str, left: Any, right: Any) -> Any:
    left, right = left.astype(np.float64), right.astype(np.float64)
    if metric == "l2":
        return ((left[:, None] - right) ** 2).sum(axis=2)
    product = left @ right.T
    return product if metric == "ip" else product / np.linalg.norm(left, axis=1)[:, None] / np.linalg.norm(right, axis=1)


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
async def test_each_side_may_be_given_or_stored(engine: Engine, metric: str) -> None:
    keys = [4, 0, 4, 2]
    for left, left_vectors in ((GivenVectors(B), B), (stored(keys), A[keys])):
        for right, right_vectors in ((GivenVectors(A), A), (stored([1, 3], field="v"), A[[1, 3]])):
            found = (await run(engine, Distance(left, right, metric.upper()))).distances
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, by_definition(metric, left_vectors, right_vectors), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("left", "right", "metric", "error", "words"),
    [
        (stored([1, 77]), GivenVectors(A), "l2", NotFound, "does not exist: 77"),
        (StoredVectors("none", column("id", [1])), GivenVectors(A), "l2", TableNotFound, "none"),
        (stored([1], field="none"), GivenVectors(A), "l2", FieldNotFound, "none"),
        (stored([1], field="title"), GivenVectors(A), "l2", Rejected, "not a vector"),
        (stored([1]), GivenVectors(A[:, :3]), "l2", InvalidVector, "dimension 4, the right ones 3"),
        (GivenVectors(A), GivenVectors(np.zeros((0, 4), np.float32)), "l2", LimitExceeded, "1 to 10000 right"),
        (GivenVectors(np.ones((1_001, 4), np.float32)), GivenVectors(np.ones((1_000, 4), np.float32)), "l2", LimitExceeded, "1001000"),
        (GivenVectors(A), GivenVectors(A.astype(np.float64)), "l2", TypeMismatch, "right"),
        (GivenVectors(A), GivenVectors(np.full((1, 4), np.nan, np.float32)), "l2", InvalidVector, "NaN"),
        (GivenVectors(A), GivenVectors(np.zeros((1, 4), np.float32)), "cosine", InvalidVector, "zero"),
        (GivenVectors(A), GivenVectors(B), "euclid", Rejected, "euclid"),
    ],
)
async def test_bad_sides_are_refused(engine: Engine, left: Any, right: Any, metric: str, error: type[HippodError], words: str) -> None:
    with pytest.raises(error, match=words):
        await run(engine, Distance(left, right, metric))
