"""The route that tells how the recall of an index was measured, and whether promises were kept."""

from __future__ import annotations

from typing import Final

from hippod.engine.operations import AuditedPromise, DescribeRecall, MeasuredCurve, RecallInfo
from hippod.net.rest.body import Body, DatabaseQuery
from hippod.net.rest.envelope import Answer
from hippod.net.rest.routes import Call, Route


class RecallBody(Body, frozen=True):
    index_name: str


class RecallAnswer(Answer, frozen=True):
    """`measuring`: what is being measured now, empty if nothing is; `curves` and `audited` promises by shard."""

    measuring: str
    curves: list[MeasuredCurve]
    audited: list[AuditedPromise]


async def describe_recall(call: Call[DatabaseQuery, RecallBody]) -> RecallAnswer:
    found: RecallInfo = await call.execute(DescribeRecall(call.path["table"], call.body.index_name, call.query.database_name))
    return RecallAnswer(found.measuring, found.curves, found.audited)


ROUTES: Final = (
    Route("GET POST", "/{table}/_embedding_index_recall", describe_recall, "How the recall of an index was measured, and of its promises"),
)
