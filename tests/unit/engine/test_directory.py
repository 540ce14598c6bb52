"""A data directory belongs to one process and one format; what does not fit is refused, and nothing is left half made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hippod.engine.directory import FORMAT_VERSION, DataDirectory
from hippod.errors import DamagedData, DataDirectoryBusy


def test_a_new_directory_gets_an_identity_that_stays(tmp_path: Path) -> None:
    first = DataDirectory.open(tmp_path / "data", create=True)
    first.close()
    again = DataDirectory.open(tmp_path / "data", create=False)
    assert again.database_id == first.database_id
    again.close()


def test_a_directory_in_use_is_refused_until_it_is_given_back(tmp_path: Path) -> None:
    first = DataDirectory.open(tmp_path, create=True)
    with pytest.raises(DataDirectoryBusy, match="in use by another process"):
        DataDirectory.open(tmp_path, create=True)
    first.close()
    DataDirectory.open(tmp_path, create=True).close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (b'{"format": 1}', "damaged"),
        (b'{"format": "1", "database_id": "00"}', "damaged"),
        (b'{"format": 1, "database_id": "xyz"}', "damaged"),
        (b'{"format": 1, "database_id": "00"}', "format"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_a_format_file_that_is_none_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "FORMAT").write_bytes(content)
    with pytest.raises(DamagedData, match=words) as raised:
        DataDirectory.open(tmp_path, create=True)
    assert raised.value.exit_code == 65
    assert (tmp_path / "FORMAT").read_bytes() == content


@pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1])
def test_another_format_is_refused_by_its_number(tmp_path: Path, version: int) -> None:
    (tmp_path / "FORMAT").write_text(json.dumps({"format": version, "database_id": "0" * 32}))
    with pytest.raises(DamagedData, match=f"format {version}, this version of hippod reads format {FORMAT_VERSION}"):
        DataDirectory.open(tmp_path, create=True)


@pytest.mark.parametrize("kept", ["wal", "lmdb"])
def test_data_without_a_format_file_is_never_taken_for_a_new_directory(tmp_path: Path, kept: str) -> None:
    (tmp_path / kept).mkdir()
    with pytest.raises(DamagedData, match="no FORMAT file"):
        DataDirectory.open(tmp_path, create=True)
    assert not (tmp_path / "FORMAT").exists()


def test_a_directory_that_is_not_there_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryBusy, match="No such file"):
        DataDirectory.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
