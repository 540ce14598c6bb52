"""Routes of looking after tables: warming up, compaction, caches."""

from __future__ import annotations

import time
from typing import Final

from hippod.engine.operations import CompactTable, DropCaches, JobInfo, Operation, WarmUpTable
from hippod.net.rest.body import DatabaseQuery, JobBody, NoBody, Query
from hippod.net.rest.envelope import Acknowledged, JobAnswer, job_answer
from hippod.net.rest.routes import Call, Route


class CacheQuery(Query, frozen=True):
    """`drop_index_block_cache`: the pages of index files, too."""

    drop_index_block_cache: bool = False


async def warm_up(call: Call[DatabaseQuery, JobBody]) -> JobAnswer:
    return await _job(call, WarmUpTable(call.path["table"], call.body.waits, call.query.database_name))


async def warm_up_without_slash(call: Call[DatabaseQuery, JobBody]) -> JobAnswer:
    """The Python client asks so when it does not wait."""
    return await warm_up(call)


async def compact(call: Call[DatabaseQuery, JobBody]) -> JobAnswer:
    return await _job(call, CompactTable(call.path["table"], call.body.waits, call.query.database_name))


async def _job(call: Call[DatabaseQuery, JobBody], operation: Operation) -> JobAnswer:
    job: JobInfo = await call.execute_job(operation, call.body)
    return job_answer(job, call.server, time.time(), waited=call.body.waits)


async def drop_caches(call: Call[CacheQuery, NoBody]) -> Acknowledged:
    await call.execute(DropCaches(call.query.drop_index_block_cache))
    return Acknowledged()


async def drop_caches_of_node(call: Call[CacheQuery, NoBody]) -> Acknowledged:
    """There is one node, whatever it is called."""
    return await drop_caches(call)


ROUTES: Final = (
    Route("POST", "/_drop_block_cache", drop_caches, "Forget cached filters and file pages"),
    Route("POST", "/_drop_block_cache/{node}", drop_caches_of_node, "The same of one node"),
    Route("POST", "/{table}/_warmup_db", warm_up, "Read a table once, so that it is in memory"),
    Route("POST", "/{table}_warmup_db", warm_up_without_slash, "As /{table}/_warmup_db"),
    Route("POST", "/{table}/_compact_db", compact, "Rewrite stored blocks that have dead rows"),
)
