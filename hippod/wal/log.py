"""The log: the only commit point. What `append` returned from survives the loss of power; nothing else is promised.

The rules that this rests on:

1  One batch in flight: the next is not written before the sync of this one returned.
2  A new segment is written under another name, synced, renamed and its directory synced before a batch goes into it.
3  A failed sync is never tried again, because the kernel may have dropped the pages: the log is closed to writes for ever.
4  At start every segment is synced before anything is built on it: what is read may so far be only in the page cache.
5  A torn end is cut off only if nothing sound stands behind it; everything else that does not fit is refused.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from hippod.errors import DamagedData, DiskFailure, StorageFull
from hippod.fs import FileSystem
from hippod.wal.record import Record, ReplayedRecord, decode_records
from hippod.wal.scan import (
    TEMPORARY_SUFFIX,
    LogScan,
    Segment,
    applied_segments,
    read_segment,
    scan_log,
    segment_path,
)
from hippod.wal.segment import (
    CLEAN_STOP,
    RECORDS,
    SEGMENT_BYTES,
    SEGMENT_HEADER_BYTES,
    AppliedPosition,
    BatchPosition,
    SegmentHeader,
    encode_batch,
    read_batches,
)

__all__ = ["AppliedPosition", "BatchPosition", "Log"]

QUARANTINE: Final = "quarantine"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)

_log = logging.getLogger(__name__)


class Log:
    """The log of one data directory: opened, replayed, started, then appended to by one thread and cut by another."""

    def __init__(self, directory: Path, database_id: bytes, fs: FileSystem, found: LogScan, applied: AppliedPosition) -> None:
        self.last = found.last
        self.was_clean_stop = found.is_clean_stop
        self._directory = directory
        self._database_id = database_id
        self._fs = fs
        self._segments = found.segments
        self._applied = applied
        self._lock = threading.Lock()
        self._descriptor = -1
        self._end = 0
        self._failure: str | None = None

    @classmethod
    def open(cls, directory: Path, database_id: bytes, applied: AppliedPosition, fs: FileSystem) -> Log:
        """Check the whole log against what is applied, mend a torn end, and sync everything that is kept.

        Raises DamagedData for damage that a crash cannot explain, DiskFailure if a disk call fails.
        """
        try:
            for leftover in sorted(directory.glob(f"*{TEMPORARY_SUFFIX}")):
                fs.unlink(leftover)
            found = scan_log(directory, database_id, applied, fs)
            for segment in found.segments:
                _sync_file(fs, segment.path)
            if found.interrupted is not None:
                fs.unlink(found.interrupted)
                _log.info("removed %s, which a rotation had begun", found.interrupted)
            if found.is_behind_applied:
                found = _quarantine(directory, found, applied, fs)
            elif found.torn_bytes:
                _cut_torn_end(directory, found, fs)
            fs.sync_directory(directory)
        except OSError as error:
            raise DiskFailure(f"cannot open the log in {directory}: {error.strerror}") from error
        return cls(directory, database_id, fs, found, applied)

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        with self._lock:
            return sum(segment.size_bytes for segment in self._segments[:-1]) + self._end

    def replay(self, from_lsn: int) -> Iterator[tuple[BatchPosition, list[ReplayedRecord]]]:
        """All batches with records from `from_lsn` on, in order, one segment in memory at a time. Before `start`."""
        for index, segment in enumerate(self._segments):
            if index + 1 < len(self._segments) and self._segments[index + 1].first_lsn <= from_lsn:
                continue
            for batch in read_batches(read_segment(self._fs, segment.path)[: segment.size_bytes], segment.header):
                if batch.records and batch.position.last_lsn >= from_lsn:
                    try:
                        records = list(decode_records(batch.payload, batch.records, batch.position.first_lsn))
                    except ValueError as error:
                        raise DamagedData(f"the log segment {segment.path} is damaged at offset {batch.offset}: {error}") from error
                    yield batch.position, [record for record in records if record.lsn >= from_lsn]

    def start(self) -> None:
        """Begin a new segment, ready for the first batch. Raises DiskFailure or StorageFull."""
        self._begin_segment()
        self.cut(self._applied)

    def append(self, records: Sequence[Record]) -> BatchPosition:
        """Write the records as one batch and wait until they are on the disk. At most 16 MiB and 65,535 records.

        Raises StorageFull if the disk is full (nothing of the batch remains; the log goes on), or DiskFailure: whether the batch
        survives is then unknown, and the log takes no more.
        """
        return self._append(records, RECORDS)

    def mark_clean_stop(self) -> None:
        """Note that everything was applied and the server stopped in order. Raises as `append`."""
        self._append([], CLEAN_STOP)

    def _append(self, records: Sequence[Record], kind: int) -> BatchPosition:
        if self._failure is not None:
            raise DiskFailure(f"the log failed before: {self._failure}")
        size = sum(record.size_bytes for record in records)
        if self._end > SEGMENT_HEADER_BYTES and self._end + size > SEGMENT_BYTES:
            self._begin_segment()
        buffers, position, size = encode_batch(records, kind, self.last, self._segments[-1].header.salt)
        try:
            self._fs.write_at(self._descriptor, buffers, self._end)
        except OSError as error:
            self._undo(error)
        try:
            self._fs.sync(self._descriptor)
        except OSError as error:
            raise self._broken("sync", error) from error
        self._end += size
        self.last = position
        return position

    def cut(self, applied: AppliedPosition) -> None:
        """Remove the oldest segments that are wholly applied, all but two. Raises DiskFailure. Any thread."""
        with self._lock:
            superfluous = list(applied_segments(self._segments, applied))
            if not superfluous:
                return
            self._segments = self._segments[len(superfluous) :]
        try:
            for segment in superfluous:
                self._fs.unlink(segment.path)
            self._fs.sync_directory(self._directory)
        except OSError as error:
            raise DiskFailure(f"cannot remove old segments of the log in {self._directory}: {error.strerror}") from error

    def close(self) -> None:
        if self._descriptor >= 0:
            self._fs.close(self._descriptor)
            self._descriptor = -1

    def _begin_segment(self) -> None:
        number = self._segments[-1].header.number + 1 if self._segments else 1
        header = SegmentHeader.following(self.last, self._database_id, number)
        path = segment_path(self._directory, number)
        temporary = path.with_suffix(TEMPORARY_SUFFIX)
        descriptor = -1
        try:
            descriptor = self._fs.create(temporary)
            self._fs.write_at(descriptor, [header.encode()], 0)
            self._fs.sync(descriptor)
            self._fs.rename(temporary, path)
            self._fs.sync_directory(self._directory)
        except OSError as error:
            if descriptor >= 0:
                self._fs.close(descriptor)
            if error.errno in _FULL and not path.exists():
                with suppress(OSError):
                    self._fs.unlink(temporary)
                raise StorageFull(f"no space to begin a log segment in {self._directory}") from error
            raise self._broken("begin a segment", error) from error
        with self._lock:
            if self._segments:
                before = self._segments[-1]
                self._segments[-1] = Segment(before.path, before.header, self._end or before.size_bytes)
            self._segments.append(Segment(path, header, SEGMENT_HEADER_BYTES))
            self._end = SEGMENT_HEADER_BYTES
        self.close()
        self._descriptor = descriptor

    def _undo(self, failed: OSError) -> None:
        """After a failed write: take back what was written, or give up the log."""
        if failed.errno not in _FULL:
            raise self._broken("write", failed) from failed
        try:
            self._fs.truncate(self._descriptor, self._end)
            self._fs.sync(self._descriptor)
        except OSError as error:
            raise self._broken("take back a write", error) from error
        raise StorageFull(f"no space for the log in {self._directory}: nothing of this write was kept") from failed

    def _broken(self, what: str, error: OSError) -> DiskFailure:
        self._failure = f"could not {what}: {error.strerror}"
        return DiskFailure(f"the log in {self._directory} {self._failure}")


def _sync_file(fs: FileSystem, path: Path) -> None:
    descriptor = fs.open(path)
    try:
        fs.sync(descriptor)
    finally:
        fs.close(descriptor)


def _cut_torn_end(directory: Path, found: LogScan, fs: FileSystem) -> None:
    """Cut off what a crash left of the last batch, keeping a copy."""
    segment = found.segments[-1]
    aside = _aside(directory, fs, "torn") / f"{segment.path.stem}-from-{segment.size_bytes}"
    copy = fs.create(aside)
    try:
        fs.write_at(copy, [read_segment(fs, segment.path)[segment.size_bytes :]], 0)
        fs.sync(copy)
    finally:
        fs.close(copy)
    descriptor = fs.open(segment.path)
    try:
        fs.truncate(descriptor, segment.size_bytes)
        fs.sync(descriptor)
    finally:
        fs.close(descriptor)
    _log.warning(
        "the log ends at LSN %d: %d bytes of an unfinished batch were cut off %s and kept in %s",
        found.last.last_lsn,
        found.torn_bytes,
        segment.path,
        aside,
    )


def _quarantine(directory: Path, found: LogScan, applied: AppliedPosition, fs: FileSystem) -> LogScan:
    """The end of the log is damaged where everything is applied: nothing is lost. Set the log aside and begin behind it."""
    target = _aside(directory, fs, f"until-{applied.lsn}")
    for segment in found.segments:
        fs.rename(segment.path, target / segment.path.name)
    fs.sync_directory(target)
    _log.warning("the log was damaged below LSN %d, up to which all is applied; its files are in %s", applied.lsn, target)
    last = BatchPosition(applied.lsn + 1, applied.lsn, applied.batch_number, applied.batch_crc)
    return LogScan([], last, 0, None, is_clean_stop=False, is_behind_applied=False)


def _aside(directory: Path, fs: FileSystem, name: str) -> Path:
    """A directory for files that are kept for people to look at."""
    target = directory / QUARANTINE / name
    target.mkdir(0o700, parents=True, exist_ok=True)
    fs.sync_directory(target.parent)
    fs.sync_directory(directory)
    return target
