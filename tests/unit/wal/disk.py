"""A disk that fails on purpose, and short forms for logs."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from hippod.fs import FileSystem
from hippod.wal.log import AppliedPosition, Log
from hippod.wal.record import Record

DATABASE = bytes(range(16))
NOTHING = AppliedPosition(0, 0, 0)


class FailingDisk(FileSystem):
    """Fails the next writes or syncs with the given error numbers; a failing write first writes half."""

    def __init__(self) -> None:
        self.write_errors: list[int] = []
        self.sync_errors: list[int] = []
        self.truncate_errors: list[int] = []
        self.syncs = 0
        self.largest_write: int | None = None

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
        if self.write_errors:
            whole = b"".join(buffers)
            os.pwrite(descriptor, whole[: len(whole) // 2], offset)
            raise _error(self.write_errors.pop(0))
        if self.largest_write is not None:
            return os.pwrite(descriptor, b"".join(buffers)[: self.largest_write], offset)
        return super().pwritev(descriptor, buffers, offset)

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        if self.sync_errors:
            raise _error(self.sync_errors.pop(0))
        super().sync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        if self.truncate_errors:
            raise _error(self.truncate_errors.pop(0))
        super().truncate(descriptor, size)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def record(body: bytes, operation: int = 2, table: int = 7) -> Record:
    return Record(operation, table, 0, [body])


def opened(directory: Path, applied: AppliedPosition = NOTHING, fs: FileSystem | None = None) -> Log:
    """A log that is ready for appending."""
    log = Log.open(directory, DATABASE, applied, fs or FileSystem())
    log.start()
    return log


def bodies(directory: Path, applied: AppliedPosition = NOTHING) -> list[bytes]:
    """The bodies of all records that a start would replay."""
    log = Log.open(directory, DATABASE, applied, FileSystem())
    return [bytes(r.body) for _, records in log.replay(applied.lsn + 1) for r in records]


ENOSPC, EIO, EDQUOT = errno.ENOSPC, errno.EIO, errno.EDQUOT
