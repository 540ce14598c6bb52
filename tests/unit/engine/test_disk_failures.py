"""The disk fails below a running engine: who is told what, what goes on, and with which code the process must end."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hippod.engine import engine as engine_module
from hippod.engine.engine import Engine
from hippod.engine.operations import Count, Delete, Get, GetStatus, Insert, Operation
from hippod.engine.store.row_store import RowStore
from hippod.errors import DiskFailure, ProcessExit, RetryLater, StorageFull, UnknownOutcome
from hippod.fs import FileSystem
from tests.unit.engine.harness import SHIVA, book_columns, column, crash_copy, make_books, opened, run

PATIENCE_S = 20.0


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """Ten books, all in the store; then nothing is applied any more before the end."""
    async with opened(tmp_path / "data", checkpoint_interval_s=3_600.0) as made:
        await make_books(made, 10)
        await made.checkpointer.flush()
        yield made


def insert(*ids: int) -> Insert:
    return Insert("books", book_columns(ids))


async def count(engine: Engine) -> int:
    found: int = (await run(engine, Count("books"))).count
    return found


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("call", ["sync", "pwritev"])
async def test_a_log_that_cannot_be_written_ends_the_process_and_leaves_open_writes_unknown(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str
) -> None:
    monkeypatch.setattr(FileSystem, call, failing(errno.EIO))
    first, second = engine.submit(insert(10), SHIVA), engine.submit(insert(11), SHIVA)
    for write in (first, second):
        with pytest.raises(UnknownOutcome):
            await write
    error = await asyncio.wait_for(engine.stopped, PATIENCE_S)
    assert (type(error), error.exit_code) == (DiskFailure, 74)
    monkeypatch.undo()
    with pytest.raises(RetryLater):
        await run(engine, insert(12))
    assert await count(engine) == 10
    async with opened(crash_copy(tmp_path / "data")) as after:
        assert await count(after) in (10, 12)


async def test_a_failed_sync_is_never_tried_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileSystem, "sync", failing(errno.EIO))
    with pytest.raises(UnknownOutcome):
        await run(engine, insert(10))
    monkeypatch.undo()
    with pytest.raises(DiskFailure, match="failed before"):
        engine.log.append([])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_log_refuses_one_write_and_takes_the_next(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    monkeypatch.setattr(FileSystem, "pwritev", failing(number))
    with pytest.raises(StorageFull):
        await run(engine, insert(10))
    assert await count(engine) == 10
    monkeypatch.undo()
    assert (await run(engine, insert(10))).count == 1
    async with opened(crash_copy(tmp_path / "data")) as after:
        assert await count(after) == 11


async def test_a_store_that_cannot_be_written_ends_the_process_and_the_log_has_everything(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: Any) -> None:
        raise DiskFailure("the store cannot be written")

    monkeypatch.setattr(RowStore, "apply", fail)
    await run(engine, insert(10))
    with pytest.raises(RetryLater):
        await engine.checkpointer.flush()
    assert (await asyncio.wait_for(engine.stopped, PATIENCE_S)).exit_code == 74
    monkeypatch.undo()
    async with opened(crash_copy(tmp_path / "data")) as after:
        assert await count(after) == 11


async def test_a_defect_in_a_checkpoint_ends_the_process_rather_than_losing_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(RowStore, "apply", fail)
    await run(engine, insert(10))
    with pytest.raises(RetryLater):
        await engine.checkpointer.flush()
    error = await asyncio.wait_for(engine.stopped, PATIENCE_S)
    assert (type(error), error.exit_code) == (ProcessExit, 70)
    monkeypatch.undo()
    async with opened(crash_copy(tmp_path / "data")) as after:
        assert await count(after) == 11


async def test_a_store_at_its_map_size_keeps_everything_and_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def full(*_: Any) -> None:
        loop.call_soon_threadsafe(tried.set)
        raise StorageFull("the store has reached its map size")

    async with opened(tmp_path / "data", checkpoint_interval_s=0.01) as engine:
        await make_books(engine, 10)
        with monkeypatch.context() as patched:
            patched.setattr(RowStore, "apply", full)
            await run(engine, insert(10))
            flushing = asyncio.ensure_future(engine.checkpointer.flush())
            for _ in range(3):
                tried.clear()
                await asyncio.wait_for(tried.wait(), PATIENCE_S)
            assert await count(engine) == 11
            assert not flushing.done()
        await asyncio.wait_for(flushing, PATIENCE_S)
        assert not engine.stopped.done()
        assert engine.checkpointer.overlay_bytes == 0


async def test_while_a_sync_hangs_nothing_is_acknowledged_reads_go_on_and_the_queue_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    whole = FileSystem.sync

    def hang(self: FileSystem, descriptor: int) -> None:
        loop.call_soon_threadsafe(began.set)
        assert released.wait(PATIENCE_S)
        whole(self, descriptor)

    async with opened(tmp_path / "data", checkpoint_interval_s=3_600.0, write_queue_max=3) as engine:
        await make_books(engine, 10)
        monkeypatch.setattr(engine_module, "LOG_STALLED_S", 0.05)
        monkeypatch.setattr(FileSystem, "sync", hang)
        open_write = engine.submit(insert(10), SHIVA)
        await asyncio.wait_for(began.wait(), PATIENCE_S)
        waiting = [engine.submit(insert(number), SHIVA) for number in (11, 12, 13)]
        with pytest.raises(RetryLater):
            await run(engine, insert(14))
        async with asyncio.timeout(PATIENCE_S):
            while (await run(engine, GetStatus())).mode != "log-stalled":
                await asyncio.sleep(0.01)
        assert await count(engine) == 10
        assert len((await run(engine, Get("books", column("", [1, 10])))).positions) == 1
        assert not any(write.done() for write in (open_write, *waiting))
        released.set()
        assert [(await write).count for write in (open_write, *waiting)] == [1, 1, 1, 1]
        assert await count(engine) == 14
        assert (await run(engine, GetStatus())).mode == "ready"


async def test_an_almost_full_disk_takes_only_what_frees_space(engine: Engine) -> None:
    engine.has_space = False
    operations: list[Operation] = [insert(10), insert(11)]
    for operation in operations:
        with pytest.raises(StorageFull):
            await run(engine, operation)
    assert (await run(engine, Delete("books", column("", [1])))).count == 1
    engine.has_space = True
    assert (await run(engine, insert(10))).count == 1
