"""The shared vector file: every row of one dense vector field by slot, written by one thread and mapped by many readers.

    byte offset of slot s = s * width * item size; `width` little-endian float32 numbers, or bytes of a binary vector; no header

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
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import SparseArray, Values
from hippod.errors import DiskFailure, StorageFull

# float32 (n, dimension), or uint8 (n, dimension / 8).
Vectors = npt.NDArray[Any]
Queries = Vectors | SparseArray
Slots = npt.NDArray[np.int64]

_ROWS_FIRST: Final = 1_024
_WRITE_BYTES_MAX: Final = 16 << 20
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class VectorSource(Protocol):
    """Where vectors are read by slot: the file in the server, its mapping in a host."""

    def view(self, count: int) -> Vectors: ...


def _map(descriptor: int, dtype: np.dtype[Any], width: int, rows: int) -> Vectors:
    mapping = mmap.mmap(descriptor, rows * width * dtype.itemsize, prot=mmap.PROT_READ)
    return np.frombuffer(mapping, dtype).reshape(rows, width)


class VectorFile:
    """The writing side, owned by a tablet: `write` in the writer thread, `view` in any thread, `close` when nobody writes."""

    def __init__(self, path: Path, width: int, dtype: npt.DTypeLike = np.float32) -> None:
        """Create the file, replacing one of that name. Raises StorageFull or DiskFailure."""
        self.path = path
        self.width = width
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._row_bytes = width * self.dtype.itemsize
        self._capacity = _ROWS_FIRST
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._descriptor, self._capacity * self._row_bytes)
            self._rows = _map(self._descriptor, self.dtype, width, self._capacity)
        except OSError as error:
            raise _failure(path, error) from error

    def write(self, first_slot: int, rows: Values) -> None:
        """Put rows (n, width) at slots first_slot.. ; blocking. Raises StorageFull (nothing published changed) or DiskFailure."""
        if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != self.width:
            raise ValueError(f"these are no rows of a file of width {self.width}")
        try:
            self._reserve(first_slot + len(rows))
            data = np.ascontiguousarray(rows, self.dtype).reshape(-1).view(np.uint8).data
            offset = first_slot * self._row_bytes
            while data:
                written = os.pwrite(self._descriptor, data[:_WRITE_BYTES_MAX], offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise _failure(self.path, error) from error

    def view(self, count: int) -> Vectors:
        """Slots 0..count-1 as a read-only array (count, width) that shares the page cache; valid for as long as it is held."""
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
        os.ftruncate(self._descriptor, capacity * self._row_bytes)
        self._rows = _map(self._descriptor, self.dtype, self.width, capacity)
        self._capacity = capacity


class MappedVectors:
    """The reading side in another process: maps the file again when it is asked for rows beyond its mapping."""

    def __init__(self, path: Path, width: int, dtype: npt.DTypeLike = np.float32) -> None:
        self._width = width
        self._dtype: np.dtype[Any] = np.dtype(dtype)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._rows: Vectors = np.empty((0, width), self._dtype)

    def view(self, count: int) -> Vectors:
        """Slots 0..count-1, read-only. Raises ValueError if the file is shorter."""
        if count > len(self._rows):
            rows = os.fstat(self._descriptor).st_size // (self._width * self._dtype.itemsize)
            if rows < count:
                raise ValueError(f"the vector file has {rows} rows, not {count}")
            self._rows = _map(self._descriptor, self._dtype, self._width, rows)
        return self._rows[:count]

    def close(self) -> None:
        os.close(self._descriptor)


def _failure(path: Path, error: OSError) -> Exception:
    if error.errno in _NO_SPACE:
        return StorageFull(f"no space for vectors in {path.parent}: free some and write again", file=path.name)
    return DiskFailure(f"cannot write the vector file {path}: {error.strerror}")
