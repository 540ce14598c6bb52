"""Partitions: where rows go, what a filter leaves out, adding and dropping while the table lives, and what a restart finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippod.engine.engine import Engine
from hippod.engine.operations import (
    ActivateIndex,
    AddPartitions,
    Count,
    CreateIndex,
    CreateTable,
    DescribeTable,
    DropPartitions,
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
from hippod.errors import AlreadyExists, FieldNotFound, HippodError, LimitExceeded, PartitionNotFound, Rejected, WrongState
from tests.unit.engine.harness import cells, column, crash_copy, opened, run

SALES = Schema(
    fields=(
        Field("id", DataType.INT64, primary_key=True),
        Field("day", DataType.DATE, nullable=True),
        Field("shop", DataType.STRING, default="main"),
        Field("price", DataType.FLOAT, default=1.5),
        Field("v", DataType.FLOAT_VECTOR, dimension=2),
    )
)
BY_DAY = Partitioning(PartitionKind.RANGE, ["day"], [Partition("jan", ["1970-02-01"]), Partition("feb", ["1970-03-01"], "sales_feb")])
BY_SHOP = Partitioning(PartitionKind.SINGLE_VALUE, ["shop"], [Partition("m", ["main"]), Partition("a", ["annex"])])


def sales(ids: list[int], **others: Any) -> list[Any]:
    """Row i on day i of 1970."""
    named = {"id": ids, "day": np.array(ids, np.int32), "v": np.array([[i, 0] for i in ids], np.float32), **others}
    return [column(name, values) for name, values in named.items() if values is not None]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(tmp_path / "data") as engine:
        yield engine


async def rows_of(engine: Engine) -> dict[str, int]:
    info = await run(engine, DescribeTable("sales"))
    return {partition.name: partition.rows for partition in info.partitioning.partitions}


async def ids_of(engine: Engine, condition: str = "") -> list[int]:
    return cells((await run(engine, Query("sales", condition, ["id"]))).columns, "id")


async def looked_in(engine: Engine, condition: str) -> int:
    """How many tablets a filter is evaluated in."""
    return len(engine.table("default", "sales").possible_tablets(condition))


async def test_rows_go_below_the_first_bound_above_them_and_others_fail_by_row(engine: Engine) -> None:
    await run(engine, CreateTable("sales", SALES, partitioning=BY_DAY))
    result = await run(engine, Insert("sales", sales([0, 30, 31, 58, 59, -1])))
    assert [(f.position, f.code, f.message) for f in result.failures] == [(4, "REJECTED", "No partition takes the row")]
    assert await rows_of(engine) == {"jan": 3, "feb": 2}
    nulls = await run(engine, Insert("sales", [*sales([7], day=None), column("day", np.zeros(1, np.int32), [False])]))
    assert [f.position for f in nulls.failures] == [0]


async def test_keys_are_unique_over_all_partitions(engine: Engine) -> None:
    await run(engine, CreateTable("sales", SALES, tablets=2, partitioning=BY_DAY))
    await run(engine, Insert("sales", sales(list(range(59)))))
    again = await run(engine, Insert("sales", sales([3], day=np.array([40], np.int32))))
    assert [f.code for f in again.failures] == ["ALREADY_EXISTS"]
    assert await ids_of(engine) == list(range(59))


async def test_an_update_of_the_partition_field_moves_the_row(engine: Engine) -> None:
    await run(engine, CreateTable("sales", SALES, partitioning=BY_DAY))
    await run(engine, Insert("sales", sales([1, 2])))
    result = await run(engine, Update("sales", [column("id", [1, 2, 9]), column("day", np.array([45, 99, 45], np.int32))]))
    assert [(f.position, f.code) for f in result.failures] == [(1, "REJECTED"), (2, "NOT_FOUND")]
    assert await rows_of(engine) == {"jan": 1, "feb": 1}
    await run(engine, Update("sales", [column("id", [1]), column("shop", ["annex"])]))
    await run(engine, Upsert("sales", sales([2], day=np.array([50], np.int32))))
    assert await rows_of(engine) == {"jan": 0, "feb": 2}
    answer = await run(engine, Get("sales", column("id", [1, 2]), ["shop", "day"]))
    assert cells(answer.columns, "shop") == ["annex", "main"]
    assert cells(answer.columns, "day") == [45, 50]


async def test_a_row_without_a_partition_does_not_shadow_others_of_its_key(engine: Engine) -> None:
    await run(engine, CreateTable("sales", SALES, partitioning=BY_DAY))
    inserted = await run(engine, Insert("sales", sales([1, 1, 1], day=np.array([99, 5, 6], np.int32))))
    assert [(f.position, f.code) for f in inserted.failures] == [(0, "REJECTED"), (2, "ALREADY_EXISTS")]
    upserted = await run(engine, Upsert("sales", sales([1, 1], day=np.array([40, 99], np.int32))))
    assert [f.position for f in upserted.failures] == [1]
    assert await rows_of(engine) == {"jan": 0, "feb": 1}


@pytest.mark.parametrize(
    ("condition", "tablets"),
    [
        ("day < '1970-02-01'", 1),
        ("day <= '1970-02-01'", 2),
        ("day >= '1970-02-01' and shop == 'main'", 1),
        ("day == '1970-02-10'", 1),
        ("day in ['1970-01-05', '1970-01-09']", 1),
        ("day in ['1970-01-05', '1970-02-09']", 2),
        ("day == '1970-01-05' or day == '1970-01-06'", 1),
        ("not (day >= '1970-02-01')", 1),
        ("day >= '1970-03-01'", 0),
        ("day is null", 0),
        ("shop == 'main'", 2),
        ("day == '1970-01-05' or shop == 'main'", 2),
    ],
)
async def test_a_filter_is_evaluated_only_where_it_can_match(engine: Engine, condition: str, tablets: int) -> None:
    await run(engine, CreateTable("sales", SALES, partitioning=BY_DAY))
    await run(engine, Insert("sales", sales(list(range(59)))))
    assert await looked_in(engine, condition) == tablets
    await run(engine, CreateTable("plain", SALES))
    await run(engine, Insert("plain", sales(list(range(59)))))
    answer = await run(engine, Query("plain", condition, ["id"]))
    assert await ids_of(engine, condition) == cells(answer.columns, "id")
    assert (await run(engine, Count("sales", condition))).count == answer.rows


async def test_single_values_and_hashes_are_pruned_too(engine: Engine) -> None:
    await run(engine, CreateTable("sales", SALES, partitioning=BY_SHOP))
    await run(engine, Insert("sales", sales([1, 2], shop=["annex", "main"])))
    assert await rows_of(engine) == {"a": 1, "m": 1}
    assert await looked_in(engine, "shop == 'annex'") == 1
    assert await looked_in(engine, "shop != 'annex'") == 1
    assert await looked_in(engine, "shop not in ['annex', 'main']") == 0
    assert await looked_in(engine, "shop > 'm'") == 1
    await run(engine, CreateTable("hashed", SALES, partitioning=Partitioning(PartitionKind.HASH, ["shop", "day"], count=8)))
    rows = sales(list(range(200)), shop=[f"shop {i % 10}" for i in range(200)])
    assert (await run(engine, Insert("hashed", rows))).failures == []
    table = engine.table("default", "hashed")
    assert len(table.possible_tablets("shop == 'shop 3' and day == 13")) == 1
    assert len(table.possible_tablets("shop == 'shop 3'")) == 8
    assert cells((await run(engine, Query("hashed", "shop == 'shop 3' and day == 13", ["id"]))).columns, "id") == [13]
    filled = [tablet.columns.count for tablet in table.tablets.values()]
    assert min(filled) > 0


async def test_a_float_bound_holds_for_the_numbers_that_cells_can_have(engine: Engine) -> None:
    bounds = [Partition("low", [0.1]), Partition("high", [0.3])]
    await run(engine, CreateTable("sales", SALES, partitioning=Partitioning(PartitionKind.RANGE, ["price"], bounds)))
    await run(engine, Insert("sales", sales([1, 2], price=np.array([0.1, 0.05]))))
    assert await rows_of(engine) == {"low": 1, "high": 1}
    assert await ids_of(engine, "price == 0.1") == [1]


async def test_partitions_come_and_go_while_the_table_is_searched(engine: Engine, tmp_path: Path) -> None:
    await run(engine, CreateTable("sales", SALES, tablets=2, partitioning=BY_DAY))
    await run(engine, CreateIndex("sales", "ix", "v", type="FLAT"))
    await run(engine, ActivateIndex("sales", "ix"))
    await run(engine, Insert("sales", sales(list(range(59)))))
    await run(engine, AddPartitions("sales", [Partition("mar", ["1970-04-01"])]))
    await run(engine, Insert("sales", sales([70])))
    query = np.array([[70, 0]], np.float32)
    found = await run(engine, Search("sales", query, 3))
    assert cells(found.columns, "id") == [70, 58, 57]
    searches = [run(engine, Search("sales", query, 100, filter="shop == 'main'")) for _ in range(20)]
    answers = await asyncio.gather(*searches, run(engine, DropPartitions("sales", ["feb"])))
    assert {len(answer.scores) for answer in answers[:-1]} <= {60, 32}
    assert cells((await run(engine, Search("sales", query, 2))).columns, "id") == [70, 30]
    assert (await run(engine, Count("sales"))).count == 32
    assert (await run(engine, Get("sales", column("id", [40])))).positions.tolist() == []
    # The next partition takes over what was of the dropped one, and its keys are free.
    assert (await run(engine, Insert("sales", sales([40])))).failures == []
    assert await rows_of(engine) == {"jan": 31, "mar": 2}
    numbers = {n for partition in (await run(engine, DescribeTable("sales"))).partitioning.partitions for n in partition.tablets}
    assert numbers == {0, 1, 4, 5}


@pytest.mark.parametrize("lazily", [True, False])
async def test_a_restart_finds_the_partitions_of_before_and_nothing_of_dropped_ones(tmp_path: Path, lazily: bool) -> None:
    """`lazily`: nothing is in the store, all comes from the log."""
    path = tmp_path / "data"
    async with opened(path, checkpoint_interval_s=3_600.0 if lazily else 0.02) as engine:
        await run(engine, CreateTable("sales", SALES, partitioning=BY_DAY))
        await run(engine, Insert("sales", sales(list(range(59)))))
        if not lazily:
            await engine.checkpointer.flush()
        await run(engine, DropPartitions("sales", ["jan"]))
        await run(engine, AddPartitions("sales", [Partition("mar", ["1970-04-01"])]))
        await run(engine, Insert("sales", sales([1, 70])))
        if not lazily:
            await engine.checkpointer.flush()
        copy = crash_copy(path)
    for again in (copy, path):
        async with opened(again) as engine:
            assert await rows_of(engine) == {"feb": 29, "mar": 1}
            assert await ids_of(engine) == [1, *range(31, 59), 70]
            assert (await run(engine, Insert("sales", sales([2])))).failures == []
            assert [where for where, _ in engine.store._blocks.tablets()] == [(1, 1), (1, 2)]
            assert await run(engine, AddPartitions("sales", [Partition("apr", ["1970-05-01"])])) is not None
            assert 3 in engine.table("default", "sales").tablets


async def test_a_table_may_begin_without_partitions(engine: Engine) -> None:
    await run(engine, CreateTable("sales", SALES, partitioning=Partitioning(PartitionKind.RANGE, ["day"])))
    await run(engine, CreateIndex("sales", "ix", "v", type="FLAT"))
    await run(engine, ActivateIndex("sales", "ix"))
    assert len((await run(engine, Insert("sales", sales([1])))).failures) == 1
    assert await ids_of(engine) == []
    assert (await run(engine, Search("sales", np.zeros((1, 2), np.float32), 3))).counts.tolist() == [0]
    await run(engine, AddPartitions("sales", BY_DAY.partitions))
    await run(engine, Insert("sales", sales([1, 40])))
    assert (await run(engine, Search("sales", np.zeros((1, 2), np.float32), 3))).counts.tolist() == [2]


async def test_a_partition_is_not_dropped_under_a_job(engine: Engine) -> None:
    await run(engine, CreateTable("sales", SALES, partitioning=BY_DAY))
    await run(engine, CreateIndex("sales", "ix", "v", type="FLAT"))
    job = engine.submit(ActivateIndex("sales", "ix", wait=False), (await engine.authenticate("shiva", "shiva")))
    with pytest.raises(WrongState, match="activate_index"):
        await asyncio.gather(job, run(engine, DropPartitions("sales", ["jan"])))


@pytest.mark.parametrize(
    ("partitioning", "error", "words"),
    [
        (Partitioning(PartitionKind.RANGE, []), LimitExceeded, "1 to 4 fields"),
        (Partitioning(PartitionKind.RANGE, ["nothing"]), FieldNotFound, "nothing"),
        (Partitioning(PartitionKind.RANGE, ["v"]), Rejected, "float_vector"),
        (Partitioning(PartitionKind.RANGE, ["day", "day"]), Rejected, "twice"),
        (Partitioning(PartitionKind.HASH, ["price"], count=2), Rejected, "floating"),
        (Partitioning(PartitionKind.HASH, ["day"]), LimitExceeded, "count"),
        (Partitioning(PartitionKind.HASH, ["day"], count=1_025), LimitExceeded, "1024"),
        (Partitioning(PartitionKind.RANGE, ["day"], count=2), Rejected, "count"),
        (Partitioning(PartitionKind.RANGE, ["day"], [Partition("p", ["soon"])]), Rejected, "'day'"),
        (Partitioning(PartitionKind.RANGE, ["day"], [Partition("p", [])]), Rejected, "0 values for 1 fields"),
        (Partitioning(PartitionKind.RANGE, ["day"], [Partition("p", [5]), Partition("q", [5])]), Rejected, "above that of 'p'"),
        (Partitioning(PartitionKind.SINGLE_VALUE, ["day"], [Partition("p", [5]), Partition("q", [5])]), AlreadyExists, "bound"),
        (Partitioning(PartitionKind.SINGLE_VALUE, ["day"], [Partition("p", [5]), Partition("p", [6])]), AlreadyExists, "'p'"),
    ],
)
async def test_bad_partitionings_are_refused(engine: Engine, partitioning: Partitioning, error: type[HippodError], words: str) -> None:
    with pytest.raises(error, match=words):
        await run(engine, CreateTable("sales", SALES, partitioning=partitioning))


async def test_bad_changes_of_partitions_are_refused(engine: Engine) -> None:
    await run(engine, CreateTable("plain", SALES))
    await run(engine, CreateTable("hashed", SALES, partitioning=Partitioning(PartitionKind.HASH, ["id"], count=2)))
    await run(engine, CreateTable("sales", SALES, tablets=64, partitioning=BY_DAY))
    many = [Partition(f"p{i}", [i + 1_000]) for i in range(15)]
    for operation, error, words in [
        (AddPartitions("plain", [Partition("p", [1])]), Rejected, "not partitioned"),
        (AddPartitions("hashed", [Partition("p", [1])]), Rejected, "by hash"),
        (AddPartitions("sales", [Partition("p", [1])]), Rejected, "above"),
        (AddPartitions("sales", []), Rejected, "one partition or more"),
        (AddPartitions("sales", many), LimitExceeded, "17 partitions of 64 tablets"),
        (DropPartitions("sales", ["jan", "mar"]), PartitionNotFound, "'mar'"),
        (DropPartitions("hashed", ["p0"]), Rejected, "by hash"),
        (DropPartitions("sales", []), Rejected, "one name or more"),
    ]:
        with pytest.raises(error, match=words):
            await run(engine, operation)
