"""Any sequence of operations and restarts leaves the engine with what a dict has, and searches answer as brute force does."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from hippod.engine.engine import Engine
from hippod.engine.operations import (
    ActivateIndex,
    Count,
    CreateIndex,
    CreateTable,
    Delete,
    DeleteByQuery,
    Get,
    Insert,
    Partition,
    Partitioning,
    PartitionKind,
    Query,
    Search,
    Update,
    Upsert,
)
from hippod.engine.schema import DataType, Field, Schema
from tests.unit.engine.harness import cells, column, options, run

T = TypeVar("T")
SCHEMA = Schema(
    fields=(
        Field("key", DataType.STRING, primary_key=True),
        Field("n", DataType.INT32, nullable=True),
        Field("word", DataType.VARCHAR, max_length=20, default="none"),
        Field("v", DataType.FLOAT_VECTOR, dimension=3),
    )
)
KEYS = st.text(st.sampled_from("abc"), min_size=1, max_size=2)
NUMBERS = st.none() | st.integers(-5, 5)
WORDS = st.sampled_from(["", "x", "yy", "é"])
VECTORS = st.tuples(*[st.integers(-3, 3).map(float)] * 3)
ROWS = st.lists(st.tuples(KEYS, NUMBERS, WORDS, VECTORS), min_size=1, max_size=8)
PARTITIONINGS = st.sampled_from(
    [
        None,
        Partitioning(PartitionKind.HASH, ["word"], count=3),
        Partitioning(PartitionKind.SINGLE_VALUE, ["word"], [Partition("x", ["x"]), Partition("y", ["yy"])]),
        Partitioning(
            PartitionKind.RANGE,
            ["word", "key"],
            [Partition("low", ["x", "b"]), Partition("high", ["~~", "~"]), Partition("all", ["\U0010ffff", ""])],
        ),
    ]
)
Row = tuple[Any, str, tuple[float, ...]]


def columns(rows: Sequence[tuple[str, Any, str, tuple[float, ...]]]) -> list[Any]:
    keys, numbers, words, vectors = zip(*rows, strict=True)
    present = [n is not None for n in numbers]
    return [
        column("key", list(keys)),
        column("n", np.array([n or 0 for n in numbers], np.int32), None if all(present) else present),
        column("word", list(words)),
        column("v", np.array(vectors, np.float32)),
    ]


class EngineModel(RuleBasedStateMachine):
    """`rows` is what the engine must have."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, Row] = {}
        self.path = Path(tempfile.mkdtemp(prefix="hippod-model-"))
        self.loop = asyncio.new_event_loop()
        self.engine = self.open(lazily=False)

    def open(self, lazily: bool) -> Engine:
        """`lazily`: nothing is applied to the store before the end, so that the directory can be copied at any time."""
        self.is_lazy = lazily
        return self.wait(Engine.open(options(self.path, checkpoint_interval_s=3_600.0 if lazily else 0.05)))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 60))

    def run(self, operation: Any) -> Any:
        return self.wait(run(self.engine, operation))

    @initialize(tablets=st.integers(1, 3), partitioning=PARTITIONINGS)
    def create(self, tablets: int, partitioning: Partitioning | None) -> None:
        self.partitioning = partitioning
        self.run(CreateTable("t", SCHEMA, tablets=tablets, partitioning=partitioning))
        self.run(CreateIndex("t", "flat", "v", type="FLAT"))
        self.run(ActivateIndex("t", "flat"))

    def has_place(self, word: str) -> bool:
        """Whether some partition takes a row with this word."""
        return self.partitioning is None or self.partitioning.kind != "single_value" or word in ("x", "yy")

    @rule(rows=ROWS)
    def insert(self, rows: list[Any]) -> None:
        result = self.run(Insert("t", columns(rows)))
        refused = []
        for position, (key, *cells_of_row) in enumerate(rows):
            if key in self.rows or not self.has_place(cells_of_row[1]):
                refused.append(position)
            else:
                self.rows[key] = tuple(cells_of_row)
        assert [failure.position for failure in result.failures] == refused
        assert result.count == len(rows) - len(refused)

    @rule(rows=ROWS)
    def upsert(self, rows: list[Any]) -> None:
        result = self.run(Upsert("t", columns(rows)))
        placed = {key: (n, word, v) for key, n, word, v in rows if self.has_place(word)}
        assert [failure.position for failure in result.failures] == [i for i, row in enumerate(rows) if not self.has_place(row[2])]
        self.rows.update(placed)

    @rule(changes=st.dictionaries(KEYS, WORDS, min_size=1, max_size=6))
    def update(self, changes: dict[str, str]) -> None:
        result = self.run(Update("t", [column("key", list(changes)), column("word", list(changes.values()))]))
        changes = {key: word for key, word in changes.items() if key in self.rows and self.has_place(word)}
        assert result.count == len(changes)
        for key, word in changes.items():
            if key in self.rows:
                n, _, v = self.rows[key]
                self.rows[key] = n, word, v

    @rule(keys=st.sets(KEYS, min_size=1, max_size=6))
    def delete(self, keys: set[str]) -> None:
        result = self.run(Delete("t", column("", sorted(keys))))
        assert result.count == len(keys & self.rows.keys())
        for key in keys:
            self.rows.pop(key, None)

    @rule(bound=st.integers(-6, 6))
    def delete_by_query(self, bound: int) -> None:
        doomed = [key for key, (n, _, _) in self.rows.items() if n is not None and n < bound]
        assert self.run(DeleteByQuery("t", f"n < {bound}")).count == len(doomed)
        for key in doomed:
            del self.rows[key]

    @rule(keys=st.lists(KEYS, min_size=1, max_size=6))
    def get(self, keys: list[str]) -> None:
        found = self.run(Get("t", column("", keys)))
        assert found.positions.tolist() == [i for i, key in enumerate(keys) if key in self.rows]
        expected = [self.rows[key] for key in keys if key in self.rows]
        assert cells(found.columns, "n") == [row[0] for row in expected]
        assert cells(found.columns, "word") == [row[1] for row in expected]
        assert cells(found.columns, "v") == [list(row[2]) for row in expected]

    @rule(word=WORDS, limit=st.integers(1, 5), offset=st.integers(0, 3))
    def query(self, word: str, limit: int, offset: int) -> None:
        found = self.run(Query("t", f"word == '{word}'", ["key", "n"], limit=limit, offset=offset))
        keys = sorted((key for key, row in self.rows.items() if row[1] == word), key=str.encode)[offset : offset + limit]
        assert cells(found.columns, "key") == keys
        assert cells(found.columns, "n") == [self.rows[key][0] for key in keys]

    @rule(query=VECTORS, k=st.integers(1, 6), bound=st.none() | st.integers(-5, 5))
    def search(self, query: tuple[float, ...], k: int, bound: int | None) -> None:
        condition = "" if bound is None else f"n >= {bound}"
        found = self.run(Search("t", np.array([query], np.float32), k, filter=condition))
        distances = {
            key: float(((np.array(v) - np.array(query)) ** 2).sum())
            for key, (n, _, v) in self.rows.items()
            if bound is None or (n is not None and n >= bound)
        }
        assert found.scores.tolist() == sorted(distances.values())[:k]
        keys = cells(found.columns, "key")
        assert len(set(keys)) == len(keys)
        assert [distances[key] for key in keys] == found.scores.tolist()

    @rule(lazily=st.booleans())
    def restart(self, lazily: bool) -> None:
        self.wait(self.engine.close())
        self.engine = self.open(lazily)

    @precondition(lambda self: self.is_lazy)
    @rule(lazily=st.booleans())
    def crash(self, lazily: bool) -> None:
        """Go on with the directory as it is now, without what the end of the engine would write."""
        copy = Path(tempfile.mkdtemp(prefix="hippod-model-"))
        shutil.copytree(self.path, copy, dirs_exist_ok=True)
        self.wait(self.engine.close())
        shutil.rmtree(self.path)
        self.path = copy
        self.engine = self.open(lazily)

    @invariant()
    def has_as_many_rows(self) -> None:
        if self.engine.tables:
            assert self.run(Count("t")).count == len(self.rows)

    def teardown(self) -> None:
        self.wait(self.engine.close())
        self.loop.close()
        shutil.rmtree(self.path, ignore_errors=True)


def check(examples: int, steps: int) -> None:
    quietly = list(HealthCheck)
    run_state_machine_as_test(
        EngineModel,
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=quietly, print_blob=True),
    )


def test_engine_does_what_a_dict_does() -> None:
    check(examples=60, steps=25)


@pytest.mark.soak
def test_engine_does_what_a_dict_does_at_length() -> None:
    check(examples=2_000, steps=60)
