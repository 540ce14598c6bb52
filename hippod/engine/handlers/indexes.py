"""Operations on vector indexes, and the jobs behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from hippod.engine.catalog import Changes, IndexDefinition, TableDefinition, indexes, put_table
from hippod.engine.handlers.jobs import run_job
from hippod.engine.index.parameters import check_storable
from hippod.engine.index.spec import IndexSpec
from hippod.engine.jobs import Job
from hippod.engine.operations import (
    ActivateIndex,
    CompactIndex,
    CreateIndex,
    Done,
    DropIndex,
    IndexInfo,
    IndexList,
    IndexState,
    JobInfo,
    ListIndexes,
    LoadIndex,
    Metric,
    RebuildIndex,
    ReleaseIndex,
    SetAutoCompaction,
)
from hippod.engine.schema import Field
from hippod.engine.table import Table
from hippod.errors import InvalidVector, WrongState

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


def index_info(engine: Engine, definition: TableDefinition, index: IndexDefinition) -> IndexInfo:
    """Of an open table, or of a closed one, whose indexes are not in memory."""
    table = engine.tables.get(definition.number)
    tablets = () if table is None else table.tablets.values()
    live = [tablet.indexes[index.name].describe() for tablet in tablets if index.name in tablet.indexes]
    field = next(f for f in definition.schema.fields if f.number == index.field)
    resting = IndexState.RELEASED if index.released else IndexState.CREATED
    return IndexInfo(
        index=index.name,
        field=field.name,
        type=index.type.value,
        metric=index.metric.value,
        params=index.params,
        state=(resting if table is None else table.state_of(index)).value,
        engine=", ".join(sorted({d.engine for d in live})) or "none",
        vectors=sum(d.vectors for d in live),
        fresh=sum(d.fresh for d in live),
        memory_bytes=sum(d.memory_bytes for d in live),
        removed=sum(d.removed for d in live),
        building=", ".join(sorted({d.building for d in live} - {""})),
        bytes_per_vector=max((d.bytes_per_vector for d in live), default=0.0),
        auto_compaction=index.auto_compaction,
    )


async def create_index(engine: Engine, operation: CreateIndex, deadline: float | None) -> Done:
    table = engine.table(operation.database, operation.table)
    field = table.vector_field(operation.field)
    check_storable(operation.params)
    spec = IndexSpec.of(operation.type, operation.metric, operation.params, field)
    index = IndexDefinition(operation.index, field.number, spec.type, spec.metric, operation.params, number=0)

    def compute() -> Changes:
        if spec.metric is Metric.COSINE:
            _refuse_zero_vectors(table, field)
        return indexes.create_index(engine.current(table).definition, index)

    await engine.change_catalog(compute, deadline)
    return Done()


def _refuse_zero_vectors(table: Table, field: Field) -> None:
    for tablet in table.tablets.values():
        columns = tablet.columns
        vectors: Any = tablet.rows[field.number].vectors.view(columns.count)
        for start in range(0, columns.count, 16_384):
            zero = ~vectors[start : start + 16_384].any(axis=1) & columns.alive[start : start + 16_384]
            if zero.any():
                raise InvalidVector(
                    f"{int(zero.sum())} or more rows have a zero vector in {field.name!r}, which has no direction for cosine",
                    field=field.name,
                )


async def activate_index(engine: Engine, operation: ActivateIndex, deadline: float | None) -> JobInfo:
    table, index = _find(engine, operation)

    async def work(job: Job) -> None:
        if index.active and not index.released:
            return
        if index.active:
            await engine.load_index(table, index, job)
        else:
            if table.state_of(index) is IndexState.BUILDING:
                raise WrongState(f"index {index.name!r} is being built already", index=index.name)
            tablets = table.open_index(index)
            for live in tablets:
                live.expect_activation()
            try:
                await engine.for_each_tablet(tablets, job, lambda live, progress: live.activate(progress))
            except BaseException:
                for live in table.take_index(index.name):
                    await live.close(save=False)
                raise
        await _mark(engine, table, index.name, active=True, released=False)

    return await _run(engine, table, operation, work, deadline)


async def rebuild_index(engine: Engine, operation: RebuildIndex, deadline: float | None) -> JobInfo:
    table, index = _find(engine, operation)
    if not index.active or index.released:
        raise WrongState(f"index {index.name!r} is not active: activate or load it first", index=index.name)

    async def work(job: Job) -> None:
        await engine.for_each_tablet(table.open_index(index), job, lambda live, progress: live.rebuild(progress))

    return await _run(engine, table, operation, work, deadline)


async def compact_index(engine: Engine, operation: CompactIndex, deadline: float | None) -> JobInfo:
    table, index = _find(engine, operation)
    if not index.active or index.released:
        raise WrongState(f"index {index.name!r} is not active: activate or load it first", index=index.name)

    async def work(job: Job) -> None:
        await engine.for_each_tablet(table.open_index(index), job, lambda live, progress: live.compact(progress))

    return await _run(engine, table, operation, work, deadline)


async def set_auto_compaction(engine: Engine, operation: SetAutoCompaction, deadline: float | None) -> Done:
    table, index = _find(engine, operation)

    def compute() -> Changes:
        definition = engine.current(table).definition
        changed = msgspec.structs.replace(definition.index(index.name), auto_compaction=operation.enabled)
        return (put_table(definition.with_index(changed)),)

    await engine.change_catalog(compute, deadline)
    return Done()


async def load_index(engine: Engine, operation: LoadIndex, deadline: float | None) -> JobInfo:
    table, index = _find(engine, operation)
    if not index.active:
        raise WrongState(f"index {index.name!r} was never activated: activate it", index=index.name)

    async def work(job: Job) -> None:
        if index.released:
            await engine.load_index(table, index, job)
            await _mark(engine, table, index.name, active=True, released=False)

    return await _run(engine, table, operation, work, deadline)


async def release_index(engine: Engine, operation: ReleaseIndex, deadline: float | None) -> JobInfo:
    table, index = _find(engine, operation)
    if not index.active:
        raise WrongState(f"index {index.name!r} is not active", index=index.name)
    await engine.jobs.cancel_of_table(table.definition.database, table.definition.name, index.name)

    async def work(job: Job) -> None:
        await _mark(engine, table, index.name, active=True, released=True)
        for live in table.take_index(index.name):
            description = live.describe()
            job.vectors += description.vectors + description.fresh
            await live.release()
            await live.close(save=False)

    return await _run(engine, table, operation, work, deadline)


async def drop_index(engine: Engine, operation: DropIndex, deadline: float | None) -> Done:
    table, index = _find(engine, operation)
    await engine.jobs.cancel_of_table(table.definition.database, table.definition.name, index.name)
    await engine.change_catalog(lambda: indexes.drop_index(engine.current(table).definition, index.name), deadline)
    for live in table.take_index(index.name):
        live.drop()
        await live.close(save=False)
    return Done()


def list_indexes(engine: Engine, operation: ListIndexes, _deadline: float | None) -> IndexList:
    definition = engine.catalog.resolve(operation.database, operation.table)
    return IndexList([index_info(engine, definition, index) for index in definition.indexes])


def _find(engine: Engine, operation: Any) -> tuple[Table, IndexDefinition]:
    table = engine.table(operation.database, operation.table)
    return table, table.definition.index(operation.index)


async def _mark(engine: Engine, table: Table, name: str, *, active: bool, released: bool, deadline: float | None = None) -> None:
    def compute() -> Changes:
        definition = engine.current(table).definition
        index = msgspec.structs.replace(definition.index(name), active=active, released=released)
        return (put_table(definition.with_index(index)),)

    await engine.change_catalog(compute, deadline)


async def _run(
    engine: Engine,
    table: Table,
    operation: ActivateIndex | RebuildIndex | CompactIndex | LoadIndex | ReleaseIndex,
    work: Callable[[Job], Awaitable[None]],
    deadline: float | None,
) -> JobInfo:
    action = type(operation).__struct_config__.tag
    job = Job(str(action), table.definition.database, table.definition.name, operation.index)
    return await run_job(engine, job, work, deadline, wait=operation.wait)
