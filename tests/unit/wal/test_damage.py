"""A start recovers an exact prefix of the log or refuses: the log is cut, and every byte of it flipped, one after the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hippod.errors import DamagedData
from hippod.wal.log import AppliedPosition
from hippod.wal.scan import segment_files
from hippod.wal.segment import BatchPosition
from tests.unit.wal.disk import bodies, opened, record

BATCHES = [[b"first"], [b"second", b"and third"], [b"fourth" * 5], [b"last" * 9]]


def applied_of(position: BatchPosition) -> AppliedPosition:
    return AppliedPosition(position.last_lsn, position.number, position.crc)


@pytest.fixture
def log(tmp_path: Path) -> tuple[Path, list[BatchPosition]]:
    """A log of one segment with BATCHES, and where it stood after each."""
    directory = tmp_path / "wal"
    directory.mkdir()
    opened_log = opened(directory)
    positions = [opened_log.append([record(body) for body in batch]) for batch in BATCHES]
    opened_log.close()
    return directory, positions


def prefixes() -> list[list[bytes]]:
    return [[body for batch in BATCHES[:count] for body in batch] for count in range(len(BATCHES) + 1)]


def changed(directory: Path, data: bytes) -> Path:
    """A copy of the log whose last segment has other bytes."""
    copy = directory.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy)
    segment_files(copy)[-1].write_bytes(data)
    return copy


def test_cut_at_any_byte_the_log_is_an_exact_prefix(log: tuple[Path, list[BatchPosition]]) -> None:
    directory, _ = log
    data = segment_files(directory)[-1].read_bytes()
    seen = set()
    for size in range(len(data)):
        found = bodies(changed(directory, data[:size]))
        assert found in prefixes()
        seen.add(len(found))
    assert seen == {0, 1, 3, 4}


def test_flipped_at_any_byte_the_log_refuses_or_loses_only_the_last_batch(log: tuple[Path, list[BatchPosition]]) -> None:
    directory, _ = log
    data = segment_files(directory)[-1].read_bytes()
    outcomes = {"refused": 0, "last batch torn": 0}
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]
        try:
            found = bodies(changed(directory, damaged))
        except DamagedData:
            outcomes["refused"] += 1
        else:
            assert found == prefixes()[-2], f"byte {at}"
            outcomes["last batch torn"] += 1
    assert min(outcomes.values()) > 40


def test_flipped_in_an_applied_end_nothing_is_lost_and_the_log_is_set_aside(log: tuple[Path, list[BatchPosition]]) -> None:
    directory, positions = log
    data = bytearray(segment_files(directory)[-1].read_bytes())
    data[-10] ^= 4
    copy = changed(directory, bytes(data))
    applied = applied_of(positions[-1])
    again = opened(copy, applied)
    assert again.last.last_lsn == applied.lsn
    assert list(copy.glob("quarantine/*/*.wal"))
    again.append([record(b"goes on")])
    again.close()
    assert bodies(copy, applied) == [b"goes on"]


def test_zeros_behind_the_last_batch_are_cut_off(log: tuple[Path, list[BatchPosition]]) -> None:
    directory, _ = log
    copy = changed(directory, segment_files(directory)[-1].read_bytes() + bytes(4_096))
    assert bodies(copy) == prefixes()[-1]
    again = opened(copy)
    again.append([record(b"more")])
    again.close()
    assert bodies(copy) == [*prefixes()[-1], b"more"]


def test_a_torn_end_is_kept_aside_for_people(log: tuple[Path, list[BatchPosition]]) -> None:
    directory, _ = log
    data = segment_files(directory)[-1].read_bytes()
    copy = changed(directory, data[:-8])
    opened(copy).close()
    (kept,) = copy.glob("quarantine/torn/*")
    assert data[:-8].endswith(kept.read_bytes())


def many_segments(directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[BatchPosition]:
    monkeypatch.setattr("hippod.wal.log.SEGMENT_BYTES", 400)
    log = opened(directory)
    positions = [log.append([record(bytes(200))]) for _ in range(5)]
    log.close()
    assert len(segment_files(directory)) == 5
    return positions


@pytest.mark.parametrize("which", [0, 1, 3])
def test_a_missing_segment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    many_segments(tmp_path, monkeypatch)
    segment_files(tmp_path)[which].unlink()
    with pytest.raises(DamagedData, match=r"missing|exchanged"):
        bodies(tmp_path)


def test_a_missing_last_segment_is_refused_where_it_was_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    positions = many_segments(tmp_path, monkeypatch)
    segment_files(tmp_path)[-1].unlink()
    with pytest.raises(DamagedData, match="a segment is missing"):
        bodies(tmp_path, applied_of(positions[-1]))


def test_a_log_that_is_gone_is_refused_where_it_was_applied(tmp_path: Path) -> None:
    with pytest.raises(DamagedData, match="missing"):
        bodies(tmp_path, AppliedPosition(5, 2, 99))


def test_a_renamed_segment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many_segments(tmp_path, monkeypatch)
    last = segment_files(tmp_path)[-1]
    last.rename(last.with_name("0000000000000099.wal"))
    with pytest.raises(DamagedData, match="renamed"):
        bodies(tmp_path)


def test_a_segment_of_another_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for directory in (ours, theirs):
        directory.mkdir()
        many_segments(directory, monkeypatch)
    shutil.copy(segment_files(theirs)[2], segment_files(ours)[2])
    with pytest.raises(DamagedData, match="does not follow"):
        bodies(ours)


def test_a_log_that_does_not_match_what_was_applied_is_refused(log: tuple[Path, list[BatchPosition]]) -> None:
    directory, positions = log
    wrong = positions[1]
    with pytest.raises(DamagedData, match="not the one that was applied"):
        bodies(directory, AppliedPosition(wrong.last_lsn, wrong.number, wrong.crc ^ 1))


def test_an_interrupted_rotation_is_removed(log: tuple[Path, list[BatchPosition]]) -> None:
    directory, _ = log
    (directory / "0000000000000002.wal").write_bytes(bytes(64))
    (directory / "0000000000000003.new").write_bytes(b"half")
    assert bodies(directory) == prefixes()[-1]
    assert [path.name for path in segment_files(directory)] == ["0000000000000001.wal"]
    assert not list(directory.glob("*.new"))


def test_a_crash_between_rotation_and_first_batch_loses_nothing(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([record(b"x")])
    log.close()
    for _ in range(3):
        opened(tmp_path).close()
    assert bodies(tmp_path) == [b"x"]
