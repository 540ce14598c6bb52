"""The disk, as the log sees it: the few calls whose failures decide what is durable. Tests pass one that fails on purpose.

Every method raises OSError as the system gave it; what it means is decided by the caller.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# Linux takes at most this many buffers in one call.
_BUFFERS_MAX: Final = 1_024


class FileSystem:
    """The real disk. Stateless; usable in any thread."""

    def create(self, path: Path) -> int:
        """A descriptor of a new, empty file, for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def open(self, path: Path) -> int:
        """A descriptor of a file that exists, for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def write_at(self, descriptor: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        """Write all buffers one after the other from `offset` on, however many calls that takes; the bytes written."""
        pending = [memoryview(b).cast("B") for b in buffers]
        start = offset
        at = 0
        while at < len(pending):
            written = self.pwritev(descriptor, pending[at : at + _BUFFERS_MAX], offset)
            offset += written
            while at < len(pending) and written >= len(pending[at]):
                written -= len(pending[at])
                at += 1
            if written:
                pending[at] = pending[at][written:]
        return offset - start

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
        return os.pwritev(descriptor, buffers, offset)

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until the data of the file, and its size, are on the disk."""
        os.fdatasync(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Wait until the names in the directory are on the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def unlink(self, path: Path) -> None:
        path.unlink()


def free_bytes(path: Path) -> int:
    """What is free on the disk of a path for users that are not root."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
