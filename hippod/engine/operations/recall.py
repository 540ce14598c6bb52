"""Requests and results about the recall of an index: what it was measured to find and whether promises are kept."""

from __future__ import annotations

import msgspec

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result


class DescribeRecall(Operation, frozen=True, tag="describe_recall"):
    """What an active index was measured to find, and how searches that asked for a `recall` fared."""

    is_read = True
    table: str
    index: str
    database: str = DEFAULT_DATABASE


class MeasuredCurve(msgspec.Struct, frozen=True):
    """The curve that searches for up to `k` hits go by, in a tablet: measured with so many `queries` (`from_queries`: that had come, else
    rows of the table in their place), over `rows` living rows, at `measured_at` seconds since the epoch. Up to a promise of `promise_max`
    the trained index answers, above it an exact search. `settings` were tried."""

    tablet: int
    k: int
    queries: int
    from_queries: bool
    rows: int
    settings: int
    promise_max: float
    measured_at: float


class AuditedPromise(msgspec.Struct, frozen=True):
    """Of the last `searches` that were promised a mean recall of `promised` and answered exactly once more: what they had `found`, between
    `low` and `high`, each of which errs once in twenty times; the last of them at `measured_at` seconds since the epoch."""

    tablet: int
    promised: float
    found: float
    low: float
    high: float
    searches: int
    measured_at: float


class RecallInfo(Result, frozen=True):
    """`measuring`: what is being measured, empty if nothing is. `curves` and `audited` by tablet."""

    measuring: str
    curves: list[MeasuredCurve]
    audited: list[AuditedPromise]
