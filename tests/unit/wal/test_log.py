"""What was appended is replayed, in order, whatever happened in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippod.errors import DiskFailure, StorageFull
from hippod.fs import FileSystem
from hippod.wal import segment
from hippod.wal.log import AppliedPosition, Log
from hippod.wal.scan import segment_files
from tests.unit.wal.disk import DATABASE, EDQUOT, EIO, ENOSPC, NOTHING, FailingDisk, bodies, opened, record


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=200), min_size=1, max_size=5), max_size=8), st.integers(0, 7))
def test_replay_gives_what_was_appended_over_restarts(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[bytes]], restart: int
) -> None:
    directory = tmp_path_factory.mktemp("wal")
    log = opened(directory)
    for number, batch in enumerate(batches):
        if number == restart:
            log.close()
            log = opened(directory)
        position = log.append([record(body) for body in batch])
        assert position.last_lsn - position.first_lsn + 1 == len(batch)
    log.close()
    assert bodies(directory) == [body for batch in batches for body in batch]


def test_replay_from_an_lsn_starts_there(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([record(b"1"), record(b"2")])
    log.append([record(b"3")])
    log.close()
    again = Log.open(tmp_path, DATABASE, NOTHING, FileSystem())
    found = [(r.lsn, bytes(r.body), r.operation, r.table) for _, records in again.replay(2) for r in records]
    assert found == [(2, b"2", 2, 7), (3, b"3", 2, 7)]


def test_segments_rotate_and_applied_ones_are_cut_but_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hippod.wal.log.SEGMENT_BYTES", 1_000)
    log = opened(tmp_path)
    positions = [log.append([record(bytes(300))]) for _ in range(10)]
    assert len(segment_files(tmp_path)) == 5
    applied = AppliedPosition(positions[4].last_lsn, positions[4].number, positions[4].crc)
    log.cut(applied)
    assert len(segment_files(tmp_path)) == 3
    assert len(bodies(tmp_path, applied)) == 5
    log.cut(AppliedPosition(positions[9].last_lsn, positions[9].number, positions[9].crc))
    assert len(segment_files(tmp_path)) == 2
    log.close()


def test_short_writes_are_continued(tmp_path: Path) -> None:
    disk = FailingDisk()
    log = opened(tmp_path, fs=disk)
    disk.largest_write = 7
    log.append([record(b"a" * 100), record(b"b" * 50)])
    log.close()
    assert bodies(tmp_path) == [b"a" * 100, b"b" * 50]


def test_each_batch_is_synced_before_append_returns(tmp_path: Path) -> None:
    disk = FailingDisk()
    log = opened(tmp_path, fs=disk)
    before = disk.syncs
    log.append([record(b"x")])
    assert disk.syncs == before + 1


@pytest.mark.parametrize("number", [ENOSPC, EDQUOT])
def test_a_full_disk_refuses_the_batch_and_the_log_goes_on(tmp_path: Path, number: int) -> None:
    disk = FailingDisk()
    log = opened(tmp_path, fs=disk)
    log.append([record(b"kept")])
    disk.write_errors = [number]
    with pytest.raises(StorageFull):
        log.append([record(b"refused" * 100)])
    log.append([record(b"later")])
    log.close()
    assert bodies(tmp_path) == [b"kept", b"later"]


def test_a_full_disk_that_cannot_take_the_write_back_ends_the_log(tmp_path: Path) -> None:
    disk = FailingDisk()
    log = opened(tmp_path, fs=disk)
    disk.write_errors, disk.truncate_errors = [ENOSPC], [EIO]
    with pytest.raises(DiskFailure):
        log.append([record(b"x")])
    with pytest.raises(DiskFailure):
        log.append([record(b"y")])


@pytest.mark.parametrize("where", ["write", "sync"])
def test_after_an_io_error_the_log_takes_nothing_more(tmp_path: Path, where: str) -> None:
    disk = FailingDisk()
    log = opened(tmp_path, fs=disk)
    log.append([record(b"kept")])
    (disk.write_errors if where == "write" else disk.sync_errors).append(EIO)
    with pytest.raises(DiskFailure):
        log.append([record(b"lost")])
    with pytest.raises(DiskFailure):
        log.append([record(b"never tried")])
    log.close()
    assert bodies(tmp_path)[0] == b"kept"


def test_no_space_for_a_new_segment_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hippod.wal.log.SEGMENT_BYTES", 500)
    disk = FailingDisk()
    log = opened(tmp_path, fs=disk)
    log.append([record(bytes(400))])
    disk.write_errors = [ENOSPC]
    with pytest.raises(StorageFull):
        log.append([record(bytes(400))])
    log.append([record(b"z")])
    log.close()
    assert bodies(tmp_path) == [bytes(400), b"z"]


def test_a_batch_above_the_limit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    log = opened(tmp_path)
    with pytest.raises(ValueError, match="above the limit"):
        log.append([record(bytes(segment.BATCH_BYTES_MAX))])
    log.append([record(b"fine")])
    log.close()
    assert bodies(tmp_path) == [b"fine"]


def test_a_clean_stop_is_remembered_until_the_next_write(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([record(b"x")])
    log.mark_clean_stop()
    log.close()
    log = Log.open(tmp_path, DATABASE, NOTHING, FileSystem())
    assert log.was_clean_stop
    assert bodies(tmp_path) == [b"x"]
    log.start()
    log.append([record(b"y")])
    log.close()
    assert not Log.open(tmp_path, DATABASE, NOTHING, FileSystem()).was_clean_stop
    assert bodies(tmp_path) == [b"x", b"y"]
