"""Cells of a field as Python and numpy have them <-> as blocks carry them.

What may be sent (one entry a row), and as what:

    numpy ints, floats, bools       as they are; unsigned ints widened, float16 as float32
    2-D numpy arrays                vectors, float32; so is a sequence of 1-D float arrays of one length
    2-D uint8 and bool arrays       binary vectors: eight bits a byte, the first in the highest place
    SparseVectors, CSR matrices     sparse vectors; so are dicts of whole numbers, {index: value}
    datetime64 of days or coarser   days since 1970-01-01, int32
    datetime64 finer than days      microseconds since 1970-01-01T00:00Z, int64
    timedelta64                     microseconds (since midnight), int64
    lists of int, float, bool, str, date, time, datetime (a naive datetime is UTC)
    lists of lists                  the cells of an array field
    lists of bytes                  the cells of a binary or blob field, or binary vectors
    lists of dicts (string keys)    the cells of a json field, as JSON text; they come back as text
    None, NaT, masked entries       null

The server casts numbers to the type of the field and refuses what does not fit. Here nothing knows the schema: dates are for date
fields and datetimes for timestamp and datetime fields, and what comes back for them are those integers (see `temporal`).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod_client.errors import TypeMismatch
from hippod_client.sparse import SparseVectors, is_csr, is_sparse_cell, sparse_block
from hippod_client.wire.arrays import DTYPE_NUMBERS, WireArray, WireBytes, WireLists, WireSparse, WireStrings, WireValues
from hippod_client.wire.errors import WireError

Mask = npt.NDArray[np.bool_]
_Encoder = Callable[[Sequence[Any]], WireValues]

_REMEMBERED: Final = 256

_AS_THEY_ARE: Final = frozenset({(dtype, 1) for dtype in DTYPE_NUMBERS if dtype.kind != "u"} | {(np.dtype(np.float32), 2)})
_COARSE_UNITS: Final = ("Y", "M", "W", "D")
_SECOND_US: Final = 1_000_000


class Cells(NamedTuple):
    """The cells of one field: `valid` is None where no cell is null."""

    values: WireValues
    valid: Mask | None = None


def encode_cells(field: str, values: object) -> Cells:
    """The cells that `values` stands for; TypeMismatch, naming `field`, for what has no form on the wire."""
    try:
        if isinstance(values, np.ma.MaskedArray):
            return _encode_masked(values)
        if isinstance(values, np.ndarray) and (values.dtype, values.ndim) in _AS_THEY_ARE:
            return Cells(values)
        if isinstance(values, list | tuple):
            return _encode_sequence(values)
        if isinstance(values, SparseVectors) or is_csr(values):
            return Cells(sparse_block(values))
        if hasattr(values, "__array__"):
            return _encode_array(np.asarray(values))
        if isinstance(values, Sequence) and not isinstance(values, str | bytes | bytearray):
            return _encode_sequence(list(values))
        raise WireError(f"takes an array or a list with one entry a row, not {type(values).__name__}")
    except (WireError, OverflowError, UnicodeEncodeError, ValueError, TypeError) as error:
        raise TypeMismatch(f"field {field!r}: {error}", {"field": field}) from error


def encode_vectors(vectors: object) -> npt.NDArray[Any] | WireSparse:
    """Query vectors of shape (queries, dimension) from (queries, dimension) or (dimension,); TypeMismatch for other shapes.

    uint8 and bool arrays and bytes are binary vectors, `SparseVectors`, CSR matrices and dicts sparse ones.
    """
    if isinstance(vectors, np.ndarray) and vectors.dtype == np.float32:
        array: npt.NDArray[Any] = vectors
    else:
        try:
            sparse_or_dense = _query_block(vectors)
        except (TypeError, ValueError, WireError) as error:
            raise TypeMismatch(f"query vectors are numbers of shape (queries, dimension): {error}") from error
        if isinstance(sparse_or_dense, WireSparse):
            return sparse_or_dense
        array = sparse_or_dense
    if array.ndim == 1:
        array = array.reshape(1, -1)
    if array.ndim != 2 or not array.shape[1]:
        raise TypeMismatch(f"query vectors have the shape (queries, dimension) or (dimension,), not {array.shape}")
    return array


def _query_block(vectors: Any) -> npt.NDArray[Any] | WireSparse:
    if isinstance(vectors, SparseVectors | dict) or is_csr(vectors):
        return sparse_block(vectors)
    if isinstance(vectors, bytes | bytearray):
        return np.frombuffer(vectors, np.uint8)
    if isinstance(vectors, list | tuple) and vectors:
        if all(isinstance(cell, dict) for cell in vectors):
            return sparse_block(vectors)
        if all(isinstance(cell, bytes | bytearray) for cell in vectors):
            return np.stack([np.frombuffer(cell, np.uint8) for cell in vectors])
    array = np.asarray(vectors)
    return _to_binary(np.atleast_2d(array)) if array.dtype in (np.uint8, np.bool_) else _to_float32(array)


def decode_cells(values: WireValues, valid: Mask | None) -> Any:
    """Arrays for numbers and vectors (masked where null), `SparseVectors`; lists for strings, bytes and array cells (None where null)."""
    if isinstance(values, WireSparse):
        return SparseVectors.of_wire(values)
    if isinstance(values, WireBytes | WireLists):
        cells: list[Any] = values.to_list()
        if valid is not None:
            for position in np.flatnonzero(~valid).tolist():
                cells[position] = None
        return cells
    return values if valid is None else np.ma.MaskedArray(values, mask=~valid)


def _encode_masked(values: np.ma.MaskedArray[Any, Any]) -> Cells:
    if values.ndim != 1 or values.dtype.kind not in "iufb":
        return _encode_sequence(values.tolist())
    return Cells(_encode_array(values.filled(0)).values, ~np.ma.getmaskarray(values))


def _encode_array(array: npt.NDArray[Any]) -> Cells:
    kind = array.dtype.kind
    if array.ndim == 2 and (array.dtype == np.uint8 or kind == "b"):
        return Cells(_to_binary(array))
    if array.ndim == 2 and kind in "iuf":
        return Cells(_to_float32(array))
    if array.ndim != 1:
        raise WireError(f"takes one entry a row or vectors of shape (rows, dimension), not the shape {array.shape}")
    if (array.dtype, 1) in _AS_THEY_ARE:
        return Cells(array)
    if kind in "iuf":
        return Cells(_widened(array))
    if kind in "mM":
        return _encode_temporal(array)
    if kind in "OTU":
        return _encode_sequence(array.tolist())
    raise WireError(f"takes no arrays of the dtype {array.dtype}")


def _to_binary(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Binary vectors from bytes or from one bool a bit."""
    if array.dtype != np.bool_:
        return array
    if array.shape[1] % 8:
        raise WireError(f"takes binary vectors of a multiple of 8 bits, not {array.shape[1]}")
    return np.packbits(array, axis=1)


def _to_float32(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    if array.dtype.kind not in "iuf":
        raise WireError(f"takes vectors of numbers, not of the dtype {array.dtype}")
    # What is out of range becomes infinite, which the server refuses with its position.
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _widened(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers in a dtype that blocks have."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size <= 8:
        return array.astype(np.float32 if size < 8 else np.float64)
    if kind == "i":
        return array.astype(array.dtype.newbyteorder("="))
    if kind == "u":
        if size == 8 and len(array) and int(array.max()) > np.iinfo(np.int64).max:
            raise WireError("an unsigned number is over the range of int64")
        return array.astype({1: np.int16, 2: np.int32}.get(size, np.int64))
    raise WireError(f"takes no arrays of the dtype {array.dtype}")


def _encode_temporal(array: npt.NDArray[Any]) -> Cells:
    valid = ~np.isnat(array)
    if array.dtype.kind == "M" and np.datetime_data(array.dtype)[0] in _COARSE_UNITS:
        wanted = "M8[D]"
        limits: np.iinfo[Any] = np.iinfo(np.int32)
    else:
        wanted = array.dtype.kind + "8[us]"
        limits = np.iinfo(np.int64)
    cast = array.astype(wanted)
    if not bool(((cast == array) | ~valid).all()):
        raise WireError("takes times in whole microseconds")
    numbers = np.where(valid, cast.astype(np.int64), 0)
    if len(numbers) and not limits.min <= int(numbers.min()) <= int(numbers.max()) <= limits.max:
        raise WireError("a date is out of range")
    return Cells(numbers.astype(limits.dtype), None if valid.all() else valid)


def _encode_sequence(cells: Sequence[Any]) -> Cells:
    kinds = frozenset(map(type, cells))
    if type(None) not in kinds:
        return Cells(_encoder(kinds)(cells))
    kinds -= {type(None)}
    valid = np.array([cell is not None for cell in cells], np.bool_)
    if not kinds:
        return Cells(np.zeros(len(cells), np.int8), valid)
    filler = _filler(next(iter(kinds)))
    return Cells(_encoder(kinds)([filler if cell is None else cell for cell in cells]), valid)


def _filler(kind: type) -> Any:
    """What lies below a null: any cell of that kind."""
    if issubclass(kind, str):
        return ""
    if issubclass(kind, list | tuple | np.ndarray):
        return []
    if issubclass(kind, bytes | bytearray | dict):
        return kind()
    if issubclass(kind, datetime.datetime):
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    if issubclass(kind, datetime.date):
        return datetime.date(1970, 1, 1)
    return kind(0) if issubclass(kind, np.generic | bool) else datetime.time() if issubclass(kind, datetime.time) else 0


@lru_cache(_REMEMBERED)
def _encoder(kinds: frozenset[type]) -> _Encoder:
    """What makes a block of cells of these types, None not among them. Raises WireError."""
    if not kinds:
        return lambda _cells: np.zeros(0, np.int64)
    for types, encode in _BY_TYPES:
        if all(issubclass(kind, types) for kind in kinds):
            return encode
    if bool not in kinds and all(issubclass(kind, int | float) for kind in kinds):
        dtype = np.int64 if all(issubclass(kind, int) for kind in kinds) else np.float64
        return lambda cells: np.array(cells, dtype)
    raise WireError(f"takes cells of one kind, not {', '.join(sorted(kind.__name__ for kind in kinds))}")


def _encode_dicts(cells: Sequence[dict[Any, Any]]) -> WireValues:
    if any(cells) and all(map(is_sparse_cell, cells)):
        return sparse_block(cells)
    return WireStrings.of([json.dumps(cell, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for cell in cells])


def _encode_numpy_scalars(cells: Sequence[Any]) -> WireValues:
    return _encode_array(np.array(cells)).values


def _encode_datetimes(cells: Sequence[datetime.datetime]) -> WireArray:
    naive = [c if c.tzinfo is None else c.astimezone(datetime.UTC).replace(tzinfo=None) for c in cells]
    return np.array(naive, "M8[us]").astype(np.int64)


def _encode_times(cells: Sequence[datetime.time]) -> WireArray:
    if any(cell.tzinfo is not None for cell in cells):
        raise WireError("takes times of day without a time zone")
    return np.array([((c.hour * 60 + c.minute) * 60 + c.second) * _SECOND_US + c.microsecond for c in cells], np.int64)


def _encode_lists(cells: Sequence[Sequence[Any]]) -> WireArray | WireLists:
    if _are_vectors(cells):
        return _to_float32(np.stack([np.asarray(cell) for cell in cells]))
    offsets = np.zeros(len(cells) + 1, np.int32)
    np.cumsum([len(cell) for cell in cells], out=offsets[1:])
    inner = _encode_sequence([element for cell in cells for element in (cell.tolist() if isinstance(cell, np.ndarray) else cell)])
    if inner.valid is not None:
        raise WireError("takes no null inside an array cell")
    if isinstance(inner.values, WireLists | WireSparse) or (isinstance(inner.values, np.ndarray) and inner.values.ndim != 1):
        raise WireError("takes array cells of one level")
    return WireLists(offsets, inner.values)


def _are_vectors(cells: Sequence[Any]) -> bool:
    return all(isinstance(c, np.ndarray) and c.ndim == 1 and c.dtype.kind == "f" for c in cells) and len({len(c) for c in cells}) == 1


_BY_TYPES: Final[tuple[tuple[Any, _Encoder], ...]] = (
    (str, WireStrings.of),
    (bytes | bytearray, WireBytes.of_bytes),
    (dict, _encode_dicts),
    (bool, lambda cells: np.array(cells, np.bool_)),
    (np.generic, _encode_numpy_scalars),
    (list | tuple | np.ndarray, _encode_lists),
    (datetime.datetime, _encode_datetimes),
    (datetime.date, lambda cells: np.array(cells, "M8[D]").astype(np.int32)),
    (datetime.time, _encode_times),
)
