"""Which writes wait, and which of them go together into one group.

A row write joins the group unless it touches a key that an earlier write of another kind in the group touches; then it, and all later
writes to its table, wait for the next group. Writes that must be alone (catalog changes, delete by query) are groups of one, and
nothing overtakes them. The queue is bounded by count and bytes; over the bound a write is refused at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from hippod.engine.effects import CatalogEffect
from hippod.engine.operations import Result
from hippod.engine.row_writes import RowOperation, keys_of
from hippod.engine.shapes import Shape
from hippod.engine.table import Table
from hippod.engine.table_change import TableChange
from hippod.errors import DeadlineExceeded, HippodError, RetryLater

GROUP_REQUESTS_MAX: Final = 4_096
BATCH_BYTES_MAX: Final = 15 << 20


@dataclass(slots=True, eq=False)
class Commit:
    """What one group wants to change, and the answers; `publish` runs on the event loop once the effects are durable.

    An answer of None sends its write back to the queue.
    """

    answers: list[Result | HippodError | None]
    changes: list[TableChange] = field(default_factory=list)
    catalog: CatalogEffect | None = None

    def publish(self) -> None:
        """Make what is not rows visible."""


class ExclusiveWrite(Protocol):
    """A write that is alone in its group. `prepare` runs in the writer thread, sees the published state, and may raise HippodError.

    `frees_space`: it is taken even when the disk is almost full.
    """

    frees_space: bool

    def prepare(self) -> Commit: ...


@dataclass(slots=True, eq=False)
class Waiting:
    """A write in the queue. `alone`: tried in company before and struck by a defect there."""

    future: asyncio.Future[Any]
    size_bytes: int
    deadline: float | None
    alone: bool = field(default=False, init=False)

    def fail(self, error: HippodError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(slots=True, eq=False)
class WaitingRows(Waiting):
    """A row request."""

    table: Table
    operation: RowOperation
    shape: Shape


@dataclass(slots=True, eq=False)
class WaitingAlone(Waiting):
    """A write that must be alone."""

    write: ExclusiveWrite


class WriteQueue:
    """Lives on the event loop."""

    def __init__(self, requests_max: int, bytes_max: int) -> None:
        self._requests_max = requests_max
        self._bytes_max = bytes_max
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, waiting: Waiting) -> None:
        """Raises RetryLater when the queue is at its limit."""
        if len(self._waiting) >= self._requests_max or self._bytes + waiting.size_bytes > self._bytes_max:
            raise RetryLater(f"{len(self._waiting)} writes of {self._bytes} bytes are waiting, the most allowed: try again later")
        self._waiting.append(waiting)
        self._bytes += waiting.size_bytes

    def put_back(self, returned: Sequence[Waiting]) -> None:
        self._waiting.extendleft(reversed(returned))
        self._bytes += sum(w.size_bytes for w in returned)

    def drain(self) -> list[Waiting]:
        drained = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return drained

    def take_group(self, now: float) -> list[Waiting]:
        """The next group, in order; empty if everything that waited was canceled or too late."""
        group: list[Waiting] = []
        deferred: list[Waiting] = []
        kinds = _Kinds()
        size = 0
        queue = self._waiting
        while queue and len(group) < GROUP_REQUESTS_MAX:
            waiting = queue[0]
            if waiting.future.done() or (waiting.deadline is not None and waiting.deadline <= now):
                waiting.fail(DeadlineExceeded("the deadline passed while the write waited; it was not applied"))
                self._drop_first()
                continue
            joins = isinstance(waiting, WaitingRows) and not waiting.alone
            if (group or deferred) and (not joins or size + waiting.size_bytes > BATCH_BYTES_MAX):
                break
            self._drop_first()
            if not isinstance(waiting, WaitingRows) or waiting.alone:
                return [waiting]
            if kinds.admit(waiting):
                group.append(waiting)
                size += waiting.size_bytes
            else:
                deferred.append(waiting)
        self.put_back(deferred)
        return group

    def _drop_first(self) -> None:
        self._bytes -= self._waiting.popleft().size_bytes


class _Kinds:
    """The kinds of row writes in a group by table, with the keys they touch; keys are looked at only once there are two kinds."""

    def __init__(self) -> None:
        self._members: dict[Table, dict[Shape, list[RowOperation]]] = {}
        self._keys: dict[Table, dict[Shape, set[object]]] = {}
        self._blocked: set[Table] = set()

    def admit(self, write: WaitingRows) -> bool:
        table, kind = write.table, write.shape
        if table in self._blocked:
            return False
        members = self._members.setdefault(table, {})
        if len(members) > 1 or (members and kind not in members):
            key_field = table.schema.primary_key.name
            keys = self._keys.setdefault(table, {})
            for other, operations in members.items():
                if other not in keys:
                    keys[other] = {key for operation in operations for key in keys_of(operation, key_field)}
            mine = keys_of(write.operation, key_field)
            if not all(other == kind or touched.isdisjoint(mine) for other, touched in keys.items()):
                self._blocked.add(table)
                return False
            keys.setdefault(kind, set()).update(mine)
        members.setdefault(kind, []).append(write.operation)
        return True
