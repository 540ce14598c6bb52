"""The single writer: every change of state goes through here, in one order.

    1  gather    a group of writes that wait (see write_queue)
    2  validate  against the published state; refuse here, for what is logged must always apply
    3  stage     copy rows behind the published ones, where nobody sees them
    4  log       one batch, one fdatasync: the only commit point
    5  publish   on the event loop: rows, deaths, keys, catalog and indexes change together
    6  answer    complete the futures; the checkpointer gets the effects

Steps 2 to 4 run in the writer thread, one group at a time: a group is validated only after the one before it was published, so no
write ever looks at half of another. While a group is being logged the next one gathers by itself; there is no timer. A write that is
refused before step 4 has succeeded leaves nothing behind: the next group stages over its rows.

If the log cannot be written (DiskFailure) the writer stops for good: what was in flight is answered with UNKNOWN_OUTCOME and the
process must end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hippod.engine.checkpoint import Checkpointer
from hippod.engine.effects import Effect
from hippod.engine.operations import Delete, Result, WriteResult
from hippod.engine.options import EngineOptions
from hippod.engine.row_writes import RowOperation, describe, prepare
from hippod.engine.shapes import Shape
from hippod.engine.table import StagedWrite, Table
from hippod.engine.table_change import TableChange
from hippod.engine.worker_thread import WorkerThread
from hippod.engine.write_queue import BATCH_BYTES_MAX, Commit, ExclusiveWrite, Waiting, WaitingAlone, WaitingRows, WriteQueue
from hippod.errors import HippodError, Internal, LimitExceeded, ProcessExit, RetryLater, StorageFull, UnknownOutcome
from hippod.wal.log import BatchPosition, Log

_log = logging.getLogger(__name__)


class _GroupTooLarge(Exception):
    """Updates of few bytes rewrite whole rows: a group can outgrow a batch although its requests did not."""


@dataclass(slots=True, eq=False)
class _Logged:
    """A group that went through the writer thread; `position` is None if it had nothing to log."""

    commit: Commit
    effects: Sequence[Effect] = ()
    staged: Sequence[tuple[Table, StagedWrite]] = ()
    position: BatchPosition | None = None


class Writer:
    """Lives on the event loop; owns the writer thread. `failed` completes with the ProcessExit that ended it."""

    def __init__(self, options: EngineOptions, log: Log, checkpointer: Checkpointer, has_space: Callable[[], bool]) -> None:
        self._log = log
        self._checkpointer = checkpointer
        self._has_space = has_space
        self._loop = asyncio.get_running_loop()
        self._thread = WorkerThread("writer")
        self._queue = WriteQueue(options.write_queue_max, options.write_queue_bytes_max)
        self._arrived = asyncio.Event()
        self._closing = False
        self._busy_since: float | None = None
        self.failed: asyncio.Future[ProcessExit] = self._loop.create_future()
        self._task = self._loop.create_task(self._run())

    @property
    def busy_s(self) -> float:
        """For how long the writer thread has been at one group."""
        return 0.0 if self._busy_since is None else self._loop.time() - self._busy_since

    def submit_rows(self, table: Table, operation: RowOperation, deadline: float | None) -> asyncio.Future[WriteResult]:
        """Queue a row write; its future gets a WriteResult or a HippodError. Raises RetryLater when too much waits, or Rejected for a
        request without columns."""
        shape, size = describe(operation)
        return self._submit(WaitingRows(self._loop.create_future(), size, deadline, table, operation, shape))

    def submit_exclusive(self, write: ExclusiveWrite, deadline: float | None = None) -> asyncio.Future[Any]:
        """Queue a write that must be alone. Raises RetryLater when too much waits."""
        return self._submit(WaitingAlone(self._loop.create_future(), 0, deadline, write))

    def _submit(self, waiting: Waiting) -> asyncio.Future[Any]:
        if self._closing or self.failed.done():
            raise RetryLater("the server is stopping")
        self._queue.put(waiting)
        self._arrived.set()
        return waiting.future

    async def close(self) -> None:
        """Finish what waits, then end the thread."""
        self._closing = True
        self._arrived.set()
        await self._task
        await self._thread.close()

    async def _run(self) -> None:
        while not self.failed.done() and not (self._closing and not len(self._queue)):
            await self._arrived.wait()
            self._arrived.clear()
            while len(self._queue) and not self.failed.done():
                await self._checkpointer.wait_for_room()
                group = self._queue.take_group(self._loop.time())
                if group:
                    await self._process(group)
        for waiting in self._queue.drain():
            waiting.fail(RetryLater("the server stopped on a disk failure; this write was not applied"))

    async def _process(self, group: list[Waiting]) -> None:
        self._busy_since = self._loop.time()
        try:
            logged = await self._thread.do(partial(self._validate_and_log, group))
        except ProcessExit as error:
            for waiting in group:
                waiting.fail(UnknownOutcome("the disk failed while this write was made durable; it may or may not be there"))
            self.failed.set_result(error)
            return
        finally:
            self._busy_since = None
        if logged.position is not None:
            for table, staged in logged.staged:
                table.publish(staged)
            logged.commit.publish()
            self._checkpointer.add(logged.effects, logged.position)
        returned = []
        for waiting, answer in zip(group, logged.commit.answers, strict=True):
            if answer is None:
                returned.append(waiting)
            elif isinstance(answer, HippodError):
                waiting.fail(answer)
            elif not waiting.future.done():
                waiting.future.set_result(answer)
        self._queue.put_back(returned)

    # The rest runs in the writer thread.

    def _validate_and_log(self, group: Sequence[Waiting]) -> _Logged:
        try:
            return self._stage_and_log(self._validate(group))
        except HippodError as error:
            return _Logged(Commit([error] * len(group)))
        except ProcessExit:
            raise
        except _GroupTooLarge:
            pass
        except Exception as error:
            _log.exception("a group of %d writes failed", len(group))
            if len(group) == 1:
                reason = f"the write failed by a defect of the server and was not applied: {type(error).__name__}"
                return _Logged(Commit([Internal(reason)]))
        # One of many was too large or met a defect. None was logged: each is tried alone, so that only the guilty one fails.
        for waiting in group:
            waiting.alone = True
        return _Logged(Commit([None] * len(group)))

    def _validate(self, group: Sequence[Waiting]) -> Commit:
        if not self._has_space() and not all(_frees_space(waiting) for waiting in group):
            raise StorageFull("the disk is almost full: only deletes and drops are taken until there is space again")
        first = group[0]
        return first.write.prepare() if isinstance(first, WaitingAlone) else _prepare_rows(group)

    def _stage_and_log(self, commit: Commit) -> _Logged:
        changed = [(change, change.effects()) for change in commit.changes]
        effects: list[Effect] = [*([commit.catalog] if commit.catalog else []), *(e for _, own in changed for e in own)]
        if not effects:
            return _Logged(commit)
        records = [effect.record() for effect in effects]
        size = sum(record.size_bytes for record in records)
        if size > BATCH_BYTES_MAX:
            if len(commit.answers) > 1:
                raise _GroupTooLarge(f"a group of {len(commit.answers)} writes became {size} bytes")
            raise LimitExceeded(
                f"the rows of this write take {size} bytes, at most {BATCH_BYTES_MAX} go into one: send fewer rows a request",
                limit=BATCH_BYTES_MAX,
            )
        staged = [(change.table, change.stage(own)) for change, own in changed if own]
        return _Logged(commit, effects, staged, self._log.append(records))


def _frees_space(waiting: Waiting) -> bool:
    if isinstance(waiting, WaitingAlone):
        return waiting.write.frees_space
    return isinstance(waiting, WaitingRows) and isinstance(waiting.operation, Delete)


def _prepare_rows(group: Sequence[Waiting]) -> Commit:
    """Step 2 for row writes: requests of one kind on one table are decided as one."""
    writes = [waiting for waiting in group if isinstance(waiting, WaitingRows)]
    alike: dict[tuple[Table, Shape], list[int]] = {}
    for position, write in enumerate(writes):
        alike.setdefault((write.table, write.shape), []).append(position)
    changes: dict[Table, TableChange] = {}
    answers: list[Result | HippodError | None] = [None] * len(group)
    for (table, _), positions in alike.items():
        try:
            table.require_open()
        except HippodError as error:
            found: list[WriteResult | HippodError] = [error] * len(positions)
        else:
            found = prepare(changes.setdefault(table, TableChange(table)), [writes[p].operation for p in positions])
        for position, answer in zip(positions, found, strict=True):
            answers[position] = answer
    return Commit(answers, list(changes.values()))
