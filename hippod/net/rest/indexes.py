"""Routes of vector indexes."""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

import msgspec

from hippod.engine.operations import (
    ActivateIndex,
    CompactIndex,
    CreateIndex,
    DropIndex,
    IndexInfo,
    IndexList,
    IndexState,
    IndexType,
    JobInfo,
    JobStatus,
    ListIndexes,
    LoadIndex,
    Operation,
    RebuildIndex,
    ReleaseIndex,
    SetAutoCompaction,
)
from hippod.net.rest.body import Body, DatabaseQuery, JobBody, NoBody, plain_values
from hippod.net.rest.envelope import JOB_STATUS, SUBMITTED, Acknowledged, Answer, JobAnswer, job_answer
from hippod.net.rest.routes import Call, Route

_JOB_DONE: Final = JOB_STATUS[JobStatus.SUCCEEDED]


class CreateIndexBody(Body, frozen=True):
    """`index_type` and `metric_type` in any case; without the former AUTO, without the latter l2 for float vectors, hamming for binary
    ones, ip for sparse ones. Of `params` those of other types are ignored."""

    field_name: str
    index_name: str
    metric_type: str | None = None
    index_type: str | None = None
    params: dict[str, Any] | None = None


class IndexNameBody(Body, frozen=True):
    """One name, or several with commas between."""

    index_name: str


class IndexJobBody(JobBody, frozen=True, kw_only=True):
    index_name: str


class AutoCompactionBody(IndexJobBody, frozen=True, kw_only=True):
    enable_auto_compaction: bool


class IndexView(msgspec.Struct, frozen=True):
    """`embedding_number`: vectors in the trained part and beside it; `engine` says what answers."""

    name: str
    column: str
    index_type: str
    metric_type: str
    params: dict[str, Any]
    state: str
    activated: bool
    loaded: bool
    embedding_number: int
    memory_bytes: int
    engine: str
    auto_compaction: bool


class IndexesAnswer(Answer, frozen=True, omit_defaults=False):
    embedding_indexes: list[IndexView]


def shown_index(info: IndexInfo) -> IndexView:
    return IndexView(
        name=info.index,
        column=info.field,
        index_type=info.type,
        metric_type=info.metric,
        params=info.params,
        state=info.state,
        activated=info.state != IndexState.CREATED,
        loaded=info.state in (IndexState.BUILDING, IndexState.ACTIVE),
        embedding_number=info.vectors + info.fresh,
        memory_bytes=info.memory_bytes,
        engine=info.engine,
        auto_compaction=info.auto_compaction,
    )


async def create_index(call: Call[DatabaseQuery, CreateIndexBody]) -> Acknowledged:
    body = call.body
    await call.execute(
        CreateIndex(
            table=call.path["table"],
            index=body.index_name,
            field=body.field_name,
            type=IndexType.AUTO if body.index_type is None else body.index_type,
            metric=body.metric_type,
            params=plain_values(body.params or {}),
            database=call.query.database_name,
        )
    )
    return Acknowledged()


async def drop_indexes(call: Call[DatabaseQuery, IndexNameBody]) -> Acknowledged:
    """One after the other; a name that there is not ends it."""
    for name in call.body.index_name.split(","):
        await call.execute(DropIndex(call.path["table"], name.strip(), call.query.database_name))
    return Acknowledged()


async def list_indexes(call: Call[DatabaseQuery, NoBody]) -> IndexesAnswer:
    found: IndexList = await call.execute(ListIndexes(call.path["table"], call.query.database_name))
    return IndexesAnswer([shown_index(info) for info in found.indexes])


async def activate_index(call: Call[DatabaseQuery, IndexJobBody]) -> JobAnswer:
    return await _job(call, ActivateIndex(call.path["table"], call.body.index_name, call.body.waits, call.query.database_name))


async def rebuild_index(call: Call[DatabaseQuery, IndexJobBody]) -> JobAnswer:
    return await _job(call, RebuildIndex(call.path["table"], call.body.index_name, call.body.waits, call.query.database_name))


async def load_index(call: Call[DatabaseQuery, IndexJobBody]) -> JobAnswer:
    return await _job(call, LoadIndex(call.path["table"], call.body.index_name, call.body.waits, call.query.database_name))


async def release_index(call: Call[DatabaseQuery, IndexJobBody]) -> JobAnswer:
    return await _job(call, ReleaseIndex(call.path["table"], call.body.index_name, call.body.waits, call.query.database_name))


async def compact_index(call: Call[DatabaseQuery, IndexJobBody]) -> JobAnswer:
    return await _job(call, CompactIndex(call.path["table"], call.body.index_name, call.body.waits, call.query.database_name))


async def set_auto_compaction(call: Call[DatabaseQuery, AutoCompactionBody]) -> JobAnswer:
    """Done at once, and answered like a job that has ended, of which nothing is left to look up."""
    body = call.body
    await call.execute(SetAutoCompaction(call.path["table"], body.index_name, body.enable_auto_compaction, call.query.database_name))
    return JobAnswer(uuid.uuid4().hex, _JOB_DONE if body.waits else SUBMITTED)


async def _job(call: Call[DatabaseQuery, IndexJobBody], operation: Operation) -> JobAnswer:
    job: JobInfo = await call.execute_job(operation, call.body)
    return job_answer(job, call.server, time.time(), waited=call.body.waits)


ROUTES: Final = (
    Route("PUT", "/{table}/_create_embedding_index", create_index, "Define a vector index"),
    Route("GET", "/{table}/_get_embedding_index", list_indexes, "List the vector indexes of a table"),
    Route("DELETE", "/{table}/_drop_embedding_index", drop_indexes, "Drop vector indexes"),
    Route("POST", "/{table}/_activate_embedding_index", activate_index, "Build an index, and keep it up to date from then on"),
    Route("POST", "/{table}/_rebuild_embedding_index", rebuild_index, "Train an index anew"),
    Route("POST", "/{table}/_load_embedding_index", load_index, "Bring a released index back into memory"),
    Route("POST", "/{table}/_release_embedding_index", release_index, "Take an index out of memory"),
    Route("POST", "/{table}/_compact_embedding_index", compact_index, "Rid an index of deleted vectors, by training it anew"),
    Route("POST", "/{table}/_embedding_index_auto_compaction", set_auto_compaction, "Whether an index rids itself of deleted vectors"),
)
