"""Sparse vectors: rows of (index, value) entries in three arrays, as scipy's CSR matrices have them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from hippod_client.wire.arrays import WireSparse
from hippod_client.wire.errors import WireError

INDEX_MAX: Final = 2**32 - 2
_ENTRIES_MAX: Final = 2**31 - 1


class SparseVectors(Sequence[dict[int, float]]):
    """n sparse vectors; `vectors[i]` is vector i as {index: value}, a slice is some of them.

        indptr   int32 (n + 1,)   ascending from 0; the entries of vector i are indptr[i] to indptr[i + 1]
        indices  uint32 (entries,)
        values   float32 (entries,)

    Made of any arrays of that meaning: the indices of a vector may come in any order, and zeros are left out. Raises ValueError for
    indices beyond 0 to 2^32 - 2 and arrays that do not fit together. A vector that names an index twice is refused by the server.
    """

    __slots__ = ("indices", "indptr", "values")

    def __init__(self, indptr: npt.ArrayLike, indices: npt.ArrayLike, values: npt.ArrayLike) -> None:
        ends, entries, numbers = np.asarray(indptr), np.asarray(indices), np.asarray(values)
        if not len(entries):
            entries, numbers = np.empty(0, np.uint32), np.empty(0, np.float32)
        if any(a.ndim != 1 for a in (ends, entries, numbers)) or ends.dtype.kind not in "iu" or entries.dtype.kind not in "iu":
            raise ValueError("sparse vectors are three flat arrays: whole indptr and indices, and values")
        if not len(ends) or ends[0] != 0 or ends[-1] != len(entries) or len(entries) != len(numbers) or bool((np.diff(ends) < 0).any()):
            raise ValueError("indptr ascends from 0 to the number of entries, and there is one index to each value")
        if len(entries) and not 0 <= int(entries.min()) <= int(entries.max()) <= INDEX_MAX:
            raise ValueError(f"an index of a sparse vector is from 0 to {INDEX_MAX}")
        if len(entries) > _ENTRIES_MAX:
            raise ValueError(f"sparse vectors have at most {_ENTRIES_MAX} entries together")
        # What is out of range becomes infinite, which the server refuses with its position.
        with np.errstate(over="ignore"):
            self.values: npt.NDArray[np.float32] = numbers.astype(np.float32, copy=False)
        self.indptr: npt.NDArray[np.int32] = ends.astype(np.int32, copy=False)
        self.indices: npt.NDArray[np.uint32] = entries.astype(np.uint32, copy=False)
        self._put_in_order()

    def _put_in_order(self) -> None:
        rows = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))
        same_row = rows[1:] == rows[:-1]
        if bool((same_row & (self.indices[1:] < self.indices[:-1])).any()):
            order = np.lexsort((self.indices, rows))
            self.indices, self.values = self.indices[order], self.values[order]
        kept = self.values != 0
        if not kept.all():
            self.indices, self.values = self.indices[kept], self.values[kept]
            self.indptr = np.concatenate(([0], np.cumsum(np.bincount(rows[kept], minlength=len(self.indptr) - 1)))).astype(np.int32)

    @classmethod
    def of(cls, vectors: object) -> Self:
        """From such vectors, a CSR matrix (anything with indptr, indices and data), dicts {index: value}, or one dict.

        Raises ValueError or TypeError for anything else.
        """
        if isinstance(vectors, cls):
            return vectors
        if is_csr(vectors):
            matrix: Any = vectors
            return cls(matrix.indptr, matrix.indices, matrix.data)
        cells: Any = [vectors] if isinstance(vectors, Mapping) else vectors
        indptr = [0, *itertools.accumulate(map(len, cells))]
        indices = np.fromiter(itertools.chain.from_iterable(cells), np.int64, indptr[-1])
        values = np.fromiter(itertools.chain.from_iterable(cell.values() for cell in cells), np.float64, indptr[-1])
        return cls(np.array(indptr, np.int64), indices, values)

    @classmethod
    def of_wire(cls, block: WireSparse) -> Self:
        """Those of a reply, which views the received frame."""
        made = cls.__new__(cls)
        made.indptr, made.indices, made.values = block.offsets, block.indices, block.values
        return made

    def to_wire(self) -> WireSparse:
        return WireSparse(self.indptr, self.indices, self.values)

    def tolist(self) -> list[dict[int, float]]:
        """All as dicts {index: value}."""
        indices, values = self.indices.tolist(), self.values.tolist()
        return [dict(zip(indices[a:b], values[a:b], strict=True)) for a, b in itertools.pairwise(self.indptr.tolist())]

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, at: Any) -> Any:
        if not isinstance(at, slice):
            if not -len(self) <= at < len(self):
                raise IndexError(f"vector {at} of {len(self)}")
            return self[at % len(self) : at % len(self) + 1].tolist()[0]
        start, stop, step = at.indices(len(self))
        if step != 1:
            return type(self).of(self.tolist()[at])
        stop = max(start, stop)
        first, last = int(self.indptr[start]), int(self.indptr[stop])
        return self.of_wire(WireSparse(self.indptr[start : stop + 1] - first, self.indices[first:last], self.values[first:last]))

    def __repr__(self) -> str:
        return f"SparseVectors({len(self)} of {len(self.indices)} entries)"


def is_csr(values: object) -> bool:
    """Whether `values` is laid out as a CSR matrix, whatever library made it."""
    return all(hasattr(values, name) for name in ("indptr", "indices", "data"))


def is_sparse_cell(cell: Mapping[Any, Any]) -> bool:
    """Whether a dict is a sparse vector, {index: value}, rather than a JSON object."""
    return all(isinstance(index, int | np.integer) for index in cell)


def sparse_block(vectors: object) -> WireSparse:
    """The block of what `SparseVectors.of` takes; WireError for anything else."""
    try:
        return SparseVectors.of(vectors).to_wire()
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise WireError(f"takes sparse vectors: {error}") from error
