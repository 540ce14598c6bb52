"""Operations that look after tables, most of them as jobs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hippod.engine.handlers.jobs import run_job
from hippod.engine.jobs import Job
from hippod.engine.operations import (
    AnalyzeTable,
    CompactTable,
    Done,
    DropCaches,
    GetStatistics,
    JobInfo,
    TableStatistics,
    TabletStatistics,
    WarmUpTable,
)
from hippod.engine.statistics import field_statistics
from hippod.engine.table import Table
from hippod.errors import WrongState

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def analyze_table(engine: Engine, operation: AnalyzeTable, deadline: float | None) -> JobInfo:
    table = engine.table(operation.database, operation.table)
    fields = table.output_fields(operation.fields or None, table.schema.fields)

    async def work(job: Job) -> None:
        tablets = list(table.tablets.values())
        for number, tablet in enumerate(tablets):
            version, columns = tablet.version, tablet.columns
            alive = columns.alive_now
            for at, field in enumerate(fields):
                if operation.refresh or tablet.statistics.get(field.number, (-1,))[0] != version:
                    found = await engine.pool.run(field_statistics, tablet, field, len(alive), alive)
                    tablet.statistics[field.number] = version, found
                job.report((number + (at + 1) / len(fields)) / len(tablets), "analyzing")
            job.rows += int(alive.sum())

    return await run_job(engine, _job("analyze_table", table), work, deadline, wait=operation.wait)


def get_statistics(engine: Engine, operation: GetStatistics, _deadline: float | None) -> TableStatistics:
    table = engine.table(operation.database, operation.table)
    asked = table.output_fields(operation.fields or None, table.schema.fields)
    fields = [field for field in table.schema.fields if field in asked]
    out = []
    for number, tablet in sorted(table.tablets.items()):
        found = [tablet.statistics[field.number] for field in fields if field.number in tablet.statistics]
        if operation.fields and len(found) < len(fields):
            found = []
        if not found:
            raise WrongState(f"tablet {number} of table {operation.table!r} has no such statistics yet: analyze_table makes them")
        is_current = all(version == tablet.version for version, _ in found)
        out.append(TabletStatistics(number, is_current, [statistics for _, statistics in found]))
    return TableStatistics(out)


async def warm_up_table(engine: Engine, operation: WarmUpTable, deadline: float | None) -> JobInfo:
    table = engine.table(operation.database, operation.table)

    async def work(job: Job) -> None:
        tablets = list(table.tablets.values())
        for number, tablet in enumerate(tablets):
            await engine.pool.run(tablet.touch)
            job.rows += tablet.columns.live_count
            job.report((number + 1) / len(tablets), "reading")

    return await run_job(engine, _job("warm_up_table", table), work, deadline, wait=operation.wait)


async def compact_table(engine: Engine, operation: CompactTable, deadline: float | None) -> JobInfo:
    table = engine.table(operation.database, operation.table)

    async def work(job: Job) -> None:
        await engine.checkpointer.flush()
        tablets = list(table.tablets)
        for at, number in enumerate(tablets):
            while True:
                gone = await engine.checkpointer.in_store_thread(partial(engine.store.compact, table.number, number))
                job.rows += gone
                if not gone:
                    break
            job.report((at + 1) / len(tablets), "rewriting")

    return await run_job(engine, _job("compact_table", table), work, deadline, wait=operation.wait)


async def drop_caches(engine: Engine, operation: DropCaches, _deadline: float | None) -> Done:
    for table in engine.tables.values():
        table.forget_filters()
    directory = engine.directory
    files = [directory.lmdb.glob("data.mdb")]
    if operation.indexes:
        files += [directory.index.rglob("*"), (directory.path / "vectors").rglob("*")]
    await asyncio.to_thread(_drop_pages, [path for found in files for path in found])
    return Done()


def _drop_pages(files: Iterable[Path]) -> None:
    for path in files:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            continue  # It went meanwhile, or is a directory that may not be read.
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _job(action: str, table: Table) -> Job:
    return Job(action, table.definition.database, table.definition.name, "")
