"""Reading a whole log before it is trusted: are its segments one unbroken chain, and where does it end? Changes nothing.

Used at start, which then mends what may be mended, and by the offline check, which only reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from hippod.errors import DamagedData, DiskFailure
from hippod.fs import FileSystem
from hippod.wal.segment import (
    CLEAN_STOP,
    FILE_BYTES_MAX,
    SEGMENT_HEADER_BYTES,
    AppliedPosition,
    BatchPosition,
    SegmentHeader,
    find_batch_after,
    read_batches,
)

SUFFIX: Final = ".wal"
TEMPORARY_SUFFIX: Final = ".new"


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of the log whose header is sound. `size_bytes` is where its last sound batch ends."""

    path: Path
    header: SegmentHeader
    size_bytes: int

    @property
    def first_lsn(self) -> int:
        return self.header.first_lsn


@dataclass(frozen=True, slots=True)
class LogScan:
    """What a log consists of. `torn_bytes` follow the last sound batch of the last segment; `interrupted` is a last file
    that a rotation did not finish; `last` is the last sound batch; `is_behind_applied`: that batch was applied, and more."""

    segments: list[Segment]
    last: BatchPosition
    torn_bytes: int
    interrupted: Path | None
    is_clean_stop: bool
    is_behind_applied: bool


def segment_path(directory: Path, number: int) -> Path:
    return directory / f"{number:016d}{SUFFIX}"


def segment_files(directory: Path) -> list[Path]:
    """The files of the log in order of their names."""
    return sorted(path for path in directory.iterdir() if path.suffix == SUFFIX)


def read_segment(fs: FileSystem, path: Path) -> memoryview:
    try:
        size = path.stat().st_size
        if size > FILE_BYTES_MAX:
            raise DamagedData(f"{path} has {size} bytes, more than a log segment can have")
        return memoryview(fs.read(path))
    except OSError as error:
        raise DiskFailure(f"cannot read the log segment {path}: {error.strerror}") from error


def scan_log(directory: Path, database_id: bytes, applied: AppliedPosition, fs: FileSystem) -> LogScan:
    """Check every byte of the log. Raises DamagedData (65) for anything that a crash cannot explain."""
    files = segment_files(directory)
    segments: list[Segment] = []
    interrupted: Path | None = None
    last = BatchPosition(1, 0, 0, 0)
    seen_applied = applied.batch_number == 0
    torn = 0
    clean = False
    for index, path in enumerate(files):
        is_last = index == len(files) - 1
        data = read_segment(fs, path)
        header = _read_header(path, data, is_last=is_last)
        if header is None:
            interrupted = path
            break
        _check_place(path, header, segments, last, database_id, applied)
        if not segments:
            last = BatchPosition(header.first_lsn, header.first_lsn - 1, header.first_batch - 1, header.previous_crc)
            seen_applied |= header.first_batch > applied.batch_number
        end = SEGMENT_HEADER_BYTES
        for batch in read_batches(data, header):
            last, end, clean = batch.position, batch.end, batch.kind == CLEAN_STOP
            if last.number == applied.batch_number:
                _check_applied(path, batch.position, applied)
                seen_applied = True
        segments.append(Segment(path, header, end))
        torn = len(data) - end
        if torn:
            _check_torn(path, data, end, header, last, is_last=is_last)
            clean = False
    if not segments and applied.lsn:
        raise DamagedData(f"the log in {directory} is missing although {applied.lsn} records of it were applied: put its files back")
    behind = not seen_applied
    if behind and not torn:
        raise DamagedData(
            f"the log in {directory} ends at LSN {last.last_lsn}, but LSN {applied.lsn} was applied: a segment is missing; put it back"
        )
    return LogScan(segments, last, torn, interrupted, clean, behind)


def _read_header(path: Path, data: memoryview, *, is_last: bool) -> SegmentHeader | None:
    """The header of a segment; None for a last one that has nothing but a broken header."""
    try:
        return SegmentHeader.decode(data)
    except ValueError as error:
        if is_last and len(data) <= SEGMENT_HEADER_BYTES:
            return None
        raise DamagedData(f"the log segment {path} is damaged: {error}; restore from a backup") from error


def _check_place(
    path: Path, header: SegmentHeader, before: list[Segment], last: BatchPosition, database_id: bytes, applied: AppliedPosition
) -> None:
    if header.database_id != database_id:
        raise DamagedData(f"the log segment {path} belongs to another database: put the right file back")
    if path != segment_path(path.parent, header.number):
        raise DamagedData(f"the log segment {path} was renamed: it is segment {header.number}")
    if before:
        follows = header.number == before[-1].header.number + 1
        if not follows or (header.first_batch, header.first_lsn, header.previous_crc) != (last.number + 1, last.last_lsn + 1, last.crc):
            raise DamagedData(f"the log segment {path} does not follow {before[-1].path.name}: a file is missing or was exchanged")
    elif header.first_lsn > applied.lsn + 1:
        raise DamagedData(
            f"the log begins at LSN {header.first_lsn} in {path}, but only LSN {applied.lsn} was applied: older segments are missing"
        )
    elif header.first_batch == applied.batch_number + 1 and header.previous_crc != applied.batch_crc:
        raise DamagedData(f"the log segment {path} does not follow what was applied: log and store are not of one server")


def _check_applied(path: Path, found: BatchPosition, applied: AppliedPosition) -> None:
    if found.crc != applied.batch_crc or found.last_lsn != applied.lsn:
        raise DamagedData(f"batch {found.number} in {path} is not the one that was applied: log and store are not of one server")


def _check_torn(path: Path, data: memoryview, end: int, header: SegmentHeader, last: BatchPosition, *, is_last: bool) -> None:
    where = f"{path}, offset {end}, batch {last.number + 1} (after LSN {last.last_lsn})"
    if not is_last:
        raise DamagedData(f"the log is damaged at {where}, and later segments follow; restore from a backup")
    later = find_batch_after(data, end, header.salt)
    if later is not None:
        raise DamagedData(
            f"the log is damaged at {where}: batch {later.position.number} behind it is sound, so acknowledged writes would be lost; "
            "restore from a backup"
        )


def applied_segments(segments: list[Segment], applied: AppliedPosition) -> Iterator[Segment]:
    """The oldest segments that hold nothing above the applied position, always leaving two."""
    for segment, following in pairwise(segments[:-1]):
        if following.first_lsn > applied.lsn + 1:
            return
        yield segment
