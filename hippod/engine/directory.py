"""The data directory: who owns it, which format it has, and where each kind of file lies.

LOCK      held with flock for as long as a server (or a check) uses the directory
FORMAT    JSON: {"format": 1, "database_id": "<32 hex>"}; written once, aside and renamed
wal/      the log        lmdb/     the store
index/    saved indexes  vectors/  vector files, derived, emptied at each start
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from pathlib import Path
from typing import Final

import msgspec

from hippod.errors import DamagedData, DataDirectoryBusy, DiskFailure, NoPermission

FORMAT_VERSION: Final = 1


class _Format(msgspec.Struct, frozen=True):
    format: int
    database_id: str


class DataDirectory:
    """An open, locked data directory. `close` gives the lock back."""

    def __init__(self, path: Path, database_id: bytes, lock: int) -> None:
        self.path = path
        self.database_id = database_id
        self._lock = lock

    @property
    def wal(self) -> Path:
        return self.path / "wal"

    @property
    def lmdb(self) -> Path:
        return self.path / "lmdb"

    @property
    def index(self) -> Path:
        return self.path / "index"

    @property
    def vectors(self) -> Path:
        return self.path / "vectors"

    @classmethod
    def open(cls, path: Path, *, create: bool) -> DataDirectory:
        """Lock the directory. `create`: make it (its parent must exist) and its format file where they are missing.

        Raises DataDirectoryBusy (73), NoPermission (77) or DamagedData (65), having created nothing half.
        """
        lock = -1
        try:
            if create:
                path.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(path / "LOCK", os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
            _take_lock(path, lock)
            database_id = _read_format(path, create=create)
        except BaseException as error:
            if lock >= 0:
                os.close(lock)
            if isinstance(error, PermissionError):
                raise NoPermission(f"no permission to use the data directory {path}: {error.strerror}; check its owner and mode") from error
            if isinstance(error, OSError):
                raise DataDirectoryBusy(f"cannot use the data directory {path}: {error.strerror}") from error
            raise
        return cls(path, database_id, lock)

    def prepare(self) -> None:
        """Make the sub-directories and empty the one of derived vector files."""
        try:
            shutil.rmtree(self.vectors, ignore_errors=True)
            for directory in (self.wal, self.lmdb, self.index, self.vectors):
                directory.mkdir(mode=0o700, exist_ok=True)
            _sync_directory(self.path)
        except OSError as error:
            raise DiskFailure(f"cannot prepare the data directory {self.path}: {error.strerror}") from error

    def close(self) -> None:
        os.close(self._lock)


def _take_lock(path: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataDirectoryBusy(f"the data directory {path} is in use by another process: stop it first, or choose another") from None


def _read_format(path: Path, *, create: bool) -> bytes:
    file = path / "FORMAT"
    if create and not file.exists():
        if any((path / name).exists() for name in ("wal", "lmdb")):
            raise DamagedData(f"{path} has data but no FORMAT file: restore that file, or start with an empty directory")
        fresh = path / "FORMAT.new"
        with fresh.open("wb") as out:
            out.write(msgspec.json.encode(_Format(FORMAT_VERSION, uuid.uuid4().hex)) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        fresh.rename(file)
        _sync_directory(path)
        _sync_directory(path.resolve().parent)
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_Format)
        database_id = bytes.fromhex(found.database_id)
    except (msgspec.MsgspecError, ValueError) as error:
        raise DamagedData(f"{file} is damaged: {error}") from error
    if found.format != FORMAT_VERSION or len(database_id) != 16:
        raise DamagedData(
            f"{path} has format {found.format}, this version of hippod reads format {FORMAT_VERSION}: use the version that wrote it"
        )
    return database_id


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
