"""A rotation, a start or a cut that a crash interrupts at any of its disk calls: the next start finds the same log."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hippod.errors import DamagedData, DiskFailure
from hippod.fs import FileSystem
from hippod.wal.log import AppliedPosition, Log
from hippod.wal.scan import segment_files
from tests.unit.wal.disk import DATABASE, EIO, NOTHING, FailingDisk, bodies, opened, record

CALLS = ("create", "open", "close", "pwritev", "truncate", "sync", "sync_directory", "rename", "unlink")


class Crash(Exception):
    """The process is gone."""


class CrashingDisk(FileSystem):
    """Goes on for `calls_left` calls; the one after does nothing, or only half of a write, and neither does any later one."""

    def __init__(self, calls_left: int) -> None:
        self.calls_left = calls_left

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        if name not in CALLS:
            return method
        if self.calls_left <= 0:
            raise Crash(name)
        self.calls_left -= 1
        return method


def crash_everywhere(work: Callable[[FileSystem], object], check: Callable[[], None]) -> int:
    """Do the work over and over, each time crashing one call later, and check after each; how many calls it takes."""
    for calls in range(1_000):
        try:
            work(CrashingDisk(calls))
        except Crash:
            check()
        else:
            check()
            return calls
    raise AssertionError("never ends")


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hippod.wal.log.SEGMENT_BYTES", 400)


def test_a_rotation_interrupted_anywhere_keeps_what_was_acknowledged(tmp_path: Path, small_segments: None) -> None:
    source = tmp_path / "source"
    source.mkdir()
    log = opened(source)
    log.append([record(b"a" * 200)])
    log.close()
    copy = tmp_path / "copy"
    acknowledged: list[bytes] = []

    def work(disk: FileSystem) -> None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy)
        acknowledged[:] = [b"a" * 200]
        log = opened(copy, fs=disk)
        for letter in (b"b", b"c", b"d"):
            log.append([record(letter * 200)])
            acknowledged.append(letter * 200)

    def check() -> None:
        found = bodies(copy)
        assert found[: len(acknowledged)] == acknowledged
        assert len(found) <= len(acknowledged) + 1
        after = opened(copy)
        after.append([record(b"after")])
        after.close()
        assert bodies(copy) == [*found, b"after"]

    assert crash_everywhere(work, check) > 20


def test_mending_a_torn_end_interrupted_anywhere_is_mended_by_the_next_start(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    log = opened(source)
    log.append([record(b"kept")])
    log.append([record(b"torn" * 50)])
    log.close()
    (segment,) = segment_files(source)
    torn = segment.read_bytes()[:-16]
    segment.write_bytes(torn)
    copy = tmp_path / "copy"

    def work(disk: FileSystem) -> None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy)
        Log.open(copy, DATABASE, NOTHING, disk)

    def check() -> None:
        assert bodies(copy) == [b"kept"]
        (aside,) = copy.glob("quarantine/torn/*")
        assert torn.endswith(aside.read_bytes())
        assert aside.read_bytes()

    assert crash_everywhere(work, check) > 8


def test_a_cut_interrupted_anywhere_leaves_a_log_that_reaches_down_to_what_is_applied(tmp_path: Path, small_segments: None) -> None:
    source = tmp_path / "source"
    source.mkdir()
    log = opened(source)
    positions = [log.append([record(bytes([number]) * 200)]) for number in range(6)]
    log.close()
    applied = AppliedPosition(positions[3].last_lsn, positions[3].number, positions[3].crc)
    copy = tmp_path / "copy"

    def work(disk: FileSystem) -> None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy)
        Log.open(copy, DATABASE, applied, disk).cut(applied)

    def check() -> None:
        assert bodies(copy, applied) == [bytes([4]) * 200, bytes([5]) * 200]

    assert crash_everywhere(work, check) > 4


def test_at_start_every_segment_is_synced_before_it_is_built_on(tmp_path: Path, small_segments: None) -> None:
    log = opened(tmp_path)
    for _ in range(4):
        log.append([record(bytes(200))])
    log.close()
    disk = FailingDisk()
    Log.open(tmp_path, DATABASE, NOTHING, disk)
    assert disk.syncs == len(segment_files(tmp_path)) == 4
    disk.sync_errors = [EIO]
    with pytest.raises(DiskFailure):
        Log.open(tmp_path, DATABASE, NOTHING, disk)


def test_a_segment_of_another_database_is_refused(tmp_path: Path, small_segments: None) -> None:
    opened(tmp_path).close()
    with pytest.raises(DamagedData, match="belongs to another database"):
        Log.open(tmp_path, bytes(16), NOTHING, FileSystem())


def test_damage_before_the_last_segment_is_refused_with_its_place(tmp_path: Path, small_segments: None) -> None:
    log = opened(tmp_path)
    for _ in range(4):
        log.append([record(bytes(200))])
    log.close()
    second = segment_files(tmp_path)[1]
    data = bytearray(second.read_bytes())
    data[-1] ^= 1
    second.write_bytes(data)
    with pytest.raises(DamagedData, match=r"0000000000000002\.wal, offset 64, batch 2"):
        bodies(tmp_path)


def test_a_segment_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([record(b"x")])
    log.close()
    (segment,) = segment_files(tmp_path)
    data = bytearray(segment.read_bytes())
    data[8] += 1
    segment.write_bytes(data)
    with pytest.raises(DamagedData, match=r"checksum of its header|format 2"):
        bodies(tmp_path)
