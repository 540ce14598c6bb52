"""The shared vector file: every float32 row of one vector field by slot, written by one thread and mapped by many readers.

    byte offset of slot s = s * dimension * 4; little-endian float32; no header

The file is derived (from the store and the log), rewritten at every start and never trusted across restarts, so it is
neither synced nor checksummed. It grows by doubling as a sparse file: a new size means a new mapping, and the old
mapping lives as long as an array views it. Published rows never change, so a view needs no lock. Rows are written with
`pwrite`, never through a mapping: a full disk is then an error of the writer and not a SIGBUS of a reader.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from hippod.errors import DiskFailure, StorageFull

Vectors = npt.NDArray[np.float32]
Slots = npt.NDArray[np.int64]

_ROWS_FIRST: Final = 1_024
_WRITE_BYTES_MAX: Final = 16 << 20
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class VectorSource(Protocol):
    """Where vectors are read by slot: the file in the server, its mapping in a host."""

    @property
    def dimension(self) -> int: ...

    def view(self, count: int) -> Vectors: ...


def _map(descriptor: int, dimension: int, rows: int) -> Vectors:
    mapping = mmap.mmap(descriptor, rows * dimension * 4, prot=mmap.PROT_READ)
    return np.frombuffer(mapping, np.float32).reshape(rows, dimension)


class VectorFile:
    """The writing side, owned by a tablet: `write` in the writer thread, `view` in any thread, `close` when nobody writes."""

    def __init__(self, path: Path, dimension: int) -> None:
        """Create the file, replacing one of that name. Raises StorageFull or DiskFailure."""
        self.path = path
        self._dimension = dimension
        self._capacity = _ROWS_FIRST
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._descriptor, self._capacity * dimension * 4)
            self._rows = _map(self._descriptor, dimension, self._capacity)
        except OSError as error:
            raise _failure(path, error) from error

    @property
    def dimension(self) -> int:
        return self._dimension

    def write(self, first_slot: int, rows: Vectors) -> None:
        """Put rows (n, dimension) at slots first_slot.. ; blocking. Raises StorageFull (nothing published changed) or DiskFailure."""
        if rows.ndim != 2 or rows.shape[1] != self._dimension:
            raise ValueError(f"rows of shape {rows.shape} in a file of dimension {self._dimension}")
        try:
            self._reserve(first_slot + len(rows))
            data = np.ascontiguousarray(rows, np.float32).reshape(-1).view(np.uint8).data
            offset = first_slot * self._dimension * 4
            while data:
                written = os.pwrite(self._descriptor, data[:_WRITE_BYTES_MAX], offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise _failure(self.path, error) from error

    def view(self, count: int) -> Vectors:
        """Slots 0..count-1 as a read-only array (count, dimension) that shares the page cache; valid for as long as it is held."""
        return self._rows[:count]

    def close(self) -> None:
        """Unlink the file. Whoever still reads here, or holds a view, may go on. A second call does nothing."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        self.path.unlink(missing_ok=True)

    def _reserve(self, rows: int) -> None:
        if rows <= self._capacity:
            return
        capacity = max(rows, self._capacity * 2)
        os.ftruncate(self._descriptor, capacity * self._dimension * 4)
        self._rows = _map(self._descriptor, self._dimension, capacity)
        self._capacity = capacity


class MappedVectors:
    """The reading side in another process: maps the file again when it is asked for rows beyond its mapping."""

    def __init__(self, path: Path, dimension: int) -> None:
        self._dimension = dimension
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._rows = np.empty((0, dimension), np.float32)

    @property
    def dimension(self) -> int:
        return self._dimension

    def view(self, count: int) -> Vectors:
        """Slots 0..count-1, read-only. Raises ValueError if the file is shorter."""
        if count > len(self._rows):
            rows = os.fstat(self._descriptor).st_size // (self._dimension * 4)
            if rows < count:
                raise ValueError(f"the vector file has {rows} rows, not {count}")
            self._rows = _map(self._descriptor, self._dimension, rows)
        return self._rows[:count]

    def close(self) -> None:
        os.close(self._descriptor)


def _failure(path: Path, error: OSError) -> Exception:
    if error.errno in _NO_SPACE:
        return StorageFull(f"no space for vectors in {path.parent}: free some and write again", file=path.name)
    return DiskFailure(f"cannot write the vector file {path}: {error.strerror}")
