"""The operation that tells how the recall of an index was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.index.recall.keeper import RecallState
from hippod.engine.operations import AuditedPromise, DescribeRecall, MeasuredCurve, RecallInfo

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


def describe_recall(engine: Engine, operation: DescribeRecall, _deadline: float | None) -> RecallInfo:
    table = engine.table(operation.database, operation.table)
    name = table.definition.index(operation.index).name
    states = {number: t.indexes[name].describe_recall() for number, t in table.tablets.items() if name in t.indexes}
    return RecallInfo(
        measuring=", ".join(state.measuring for state in states.values() if state.measuring),
        curves=[curve for number, state in states.items() for curve in _curves(number, state)],
        audited=[audited for number, state in states.items() for audited in _audited(number, state)],
    )


def _curves(tablet: int, state: RecallState) -> list[MeasuredCurve]:
    return [
        MeasuredCurve(
            tablet=tablet,
            k=curve.k,
            queries=curve.queries,
            from_queries=curve.from_queries,
            rows=curve.rows,
            settings=len(curve.points),
            promise_max=max((point.recall.low for point in curve.points), default=0.0),
            measured_at=curve.measured_at,
        )
        for curve in state.curves
    ]


def _audited(tablet: int, state: RecallState) -> list[AuditedPromise]:
    return [
        AuditedPromise(tablet, a.promised, a.found.mean, a.found.low, a.found.high, a.found.samples, a.measured_at) for a in state.audited
    ]
