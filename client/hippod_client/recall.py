"""What `describe_recall` returns: how the recall of an index was measured, and whether what was promised was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hippod_client.results import Record


@dataclass(frozen=True, slots=True)
class MeasuredCurve(Record):
    """What searches of a tablet for up to `k` hits go by: measured with so many `queries` (`from_queries`: that had come, else rows of the
    table in their place), over `rows` living rows, at `measured_at` seconds since the epoch; `settings` were tried. Promises above
    `promise_max` are kept by exact searches."""

    tablet: int
    k: int
    queries: int
    from_queries: bool
    rows: int
    settings: int
    promise_max: float
    measured_at: float


@dataclass(frozen=True, slots=True)
class AuditedPromise(Record):
    """Searches with a `recall` of `promised`, the last few that were answered exactly once more: their mean recall `found`, with bounds
    that err once in twenty times each."""

    tablet: int
    promised: float
    found: float
    low: float
    high: float
    searches: int
    measured_at: float


@dataclass(frozen=True, slots=True)
class RecallInfo:
    """`measuring`: what is being measured now, empty if nothing is."""

    measuring: str
    curves: tuple[MeasuredCurve, ...]
    audited: tuple[AuditedPromise, ...]

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> RecallInfo:
        return cls(reply["measuring"], tuple(map(MeasuredCurve.of, reply["curves"])), tuple(map(AuditedPromise.of, reply["audited"])))
