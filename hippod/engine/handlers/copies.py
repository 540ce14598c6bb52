"""Operations on many rows, as jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.copying import read_local, write_parts
from hippod.engine.handlers.jobs import run_job
from hippod.engine.handlers.rows import delete_matching_rows, filtered_table
from hippod.engine.jobs import Job
from hippod.engine.operations import CopyByQuery, DeleteMatching, JobInfo
from hippod.errors import Rejected

if TYPE_CHECKING:
    from hippod.engine.engine import Engine

# Fewer than a waiting call takes at a time: a job shows how far it is, and lets other writes between.
_DELETES_PER_STEP = 100_000


async def copy_by_query(engine: Engine, operation: CopyByQuery, deadline: float | None) -> JobInfo:
    destination = engine.table(operation.to_database, operation.to_table, for_write=True)
    if operation.fields is not None and not operation.fields:
        raise Rejected("`fields` names no field")
    if operation.to_fields is not None and (operation.fields is None or len(operation.fields) != len(operation.to_fields)):
        raise Rejected("`to_fields` has a name for each of `fields`")
    for name in operation.to_fields or operation.fields or ():
        destination.schema.field(name)
    if operation.remote is not None:
        if engine.remote is None:
            raise Rejected("this server does not read from others", field="remote")
        if not operation.remote.hosts:
            raise Rejected("`remote` names no host", field="remote")
        parts = engine.remote.read(operation)
        owner = destination
    else:
        owner = engine.table(operation.database, operation.table)
        fields = owner.output_fields(operation.fields, owner.schema.fields)
        if operation.filter.strip():
            owner.filter(operation.filter)
        parts = read_local(owner, fields, operation.filter, engine.pool)

    async def work(job: Job) -> None:
        await write_parts(parts, destination, operation, engine.writer, job)

    job = Job("copy_by_query", owner.definition.database, owner.definition.name, "")
    return await run_job(engine, job, work, deadline, wait=operation.wait)


async def delete_matching(engine: Engine, operation: DeleteMatching, deadline: float | None) -> JobInfo:
    table = filtered_table(engine, operation)

    async def work(job: Job) -> None:
        total = sum(len(found.matches.slots) for found in await table.matches(operation.filter))
        async for count in delete_matching_rows(engine, table, operation.filter, _DELETES_PER_STEP, None):
            job.rows += count
            job.report(min(1.0, job.rows / max(1, total)), "deleting")

    job = Job("delete_by_query", table.definition.database, table.definition.name, "")
    return await run_job(engine, job, work, deadline, wait=operation.wait)
