"""Vectors as they are sent, in rows and in queries, to vectors as they are stored: float, binary and sparse.

What comes out is what indexes rely on: C order, the width of the field, finite numbers; of sparse vectors ascending indices and no
zeros. A fault names the field (or `vectors`, for queries) and the position of the first bad vector.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import BytesArray, ListArray, SparseArray, StringArray, Values, slice_values
from hippod.engine.schema import SPARSE_DIMENSION_MAX, SPARSE_ENTRIES_MAX, DataType, Field
from hippod.errors import InvalidVector, LimitExceeded, TypeMismatch

_FLOAT32_SIGN_CLEAR = np.uint32(0x7FFFFFFF)
_FLOAT32_INFINITE = np.uint32(0x7F800000)
_FLOAT32_DENORMAL_LAST = np.uint32(0x007FFFFF)
_ONE = np.uint32(1)
_BYTE_MAX = 255
_FEW: Final = 8_192
_HIGHEST_BYTE: Final = 3
_ORDINARY: Final = bytes(byte for byte in range(256) if byte & 0x7F not in (0x00, 0x7F))

# Rows (n, dimension) float32, (n, dimension / 8) uint8, or n sparse vectors.
Vectors = npt.NDArray[np.float32] | npt.NDArray[np.uint8] | SparseArray


def normalize_vectors(field: Field, values: Values, name: str, *, zero_refused: bool) -> Vectors:
    """The vectors in the storage form of `field`. Raises TypeMismatch, InvalidVector or LimitExceeded; messages call them `name`.

    A float field takes blocks of float32 and uint8 numbers, a binary field blocks of bytes; both take lists of numbers, as from
    a program without arrays. `zero_refused`: a vector of zeros has no direction (float fields with a cosine index).
    """
    if field.type is DataType.FLOAT_VECTOR:
        return _float_vectors(field, values, name, zero_refused=zero_refused)
    if field.type is DataType.BINARY_VECTOR:
        return _binary_vectors(field, values, name)
    return _sparse_vectors(field, values, name)


def _float_vectors(field: Field, values: Values, name: str, *, zero_refused: bool) -> npt.NDArray[np.float32]:
    if isinstance(values, ListArray):
        with np.errstate(over="ignore"):
            values = _stacked(field, values, name).astype(np.float32)
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype not in (np.float32, np.uint8):
        raise TypeMismatch(f"{name!r} takes vectors: a float32 block of shape (rows, {field.dimension})", field=name)
    _check_width(field, values.shape[1], 0, name)
    vectors = np.ascontiguousarray(values, np.float32)
    check_finite(name, vectors, zero_refused=zero_refused)
    return vectors


def check_finite(name: str, vectors: npt.NDArray[np.float32], *, zero_refused: bool) -> None:
    """Raise InvalidVector with the position of the first row that holds NaN, an infinity or a denormal, or (if refused) only zeros.

    There is at least one row.
    """
    if vectors.size <= _FEW and _are_ordinary(vectors):
        return
    magnitude = vectors.view(np.uint32) & _FLOAT32_SIGN_CLEAR
    # Zero wraps round to the top of the range: what remains below are the denormals.
    least = np.minimum.reduce(magnitude - _ONE, axis=None)
    largest = np.maximum.reduce(magnitude, axis=None)
    if least < _FLOAT32_DENORMAL_LAST or largest >= _FLOAT32_INFINITE:
        odd = (magnitude >= _FLOAT32_INFINITE) | (magnitude - _ONE < _FLOAT32_DENORMAL_LAST)
        position = int(np.argmax(odd.any(axis=1)))
        raise InvalidVector(f"vector {position} of {name!r} holds NaN, an infinity or a denormal number", field=name, position=position)
    if zero_refused and (largest == 0 or (len(vectors) > 1 and np.minimum.reduce(np.maximum.reduce(magnitude, axis=1)) == 0)):
        position = int(np.argmin(magnitude.any(axis=1)))
        raise InvalidVector(f"vector {position} of {name!r} is zero: it has no direction for cosine", field=name, position=position)


def _are_ordinary(vectors: npt.NDArray[np.float32]) -> bool:
    """Whether all numbers are far from zero and from infinity, or zeros too few for a row: the highest byte of a number, which is sign and
    exponent but for its last bit, tells.

    Unlike numpy, which hands the interpreter over for more than 500 numbers and gets it back from a busy event loop only after a while,
    this keeps it.
    """
    odd = vectors.tobytes()[_HIGHEST_BYTE :: vectors.itemsize].translate(None, _ORDINARY)
    return not odd or (len(odd) < vectors.shape[1] and len(odd) == vectors.size - np.count_nonzero(vectors))


def _binary_vectors(field: Field, values: Values, name: str) -> npt.NDArray[np.uint8]:
    if isinstance(values, ListArray):
        numbers = _stacked(field, values, name)
        with np.errstate(invalid="ignore"):
            odd = ~((numbers >= 0) & (numbers <= _BYTE_MAX) & (numbers == np.floor(numbers)))
        if odd.any():
            position = int(np.argmax(odd.any(axis=1)))
            raise InvalidVector(f"vector {position} of {name!r} holds a number that is no byte (0 to 255)", field=name, position=position)
        return numbers.astype(np.uint8)
    if isinstance(values, BytesArray) and not isinstance(values, StringArray):
        _check_widths(field, values.lengths(), name)
        return values.data[values.offsets[0] : values.offsets[-1]].reshape(len(values), field.width)
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype != np.uint8:
        raise TypeMismatch(f"{name!r} takes binary vectors: a uint8 block of shape (rows, {field.width})", field=name)
    _check_width(field, values.shape[1], 0, name)
    return np.ascontiguousarray(values)


def _stacked(field: Field, lists: ListArray, name: str) -> npt.NDArray[Any]:
    """Lists of numbers as rows of the field's width."""
    _check_widths(field, lists.lengths(), name)
    cells = slice_values(lists.values, int(lists.offsets[0]), int(lists.offsets[-1]))
    if not isinstance(cells, np.ndarray) or cells.dtype.kind not in "iuf":
        raise TypeMismatch(f"{name!r} takes vectors of numbers", field=name)
    return cells.reshape(len(lists), field.width)


def _check_widths(field: Field, lengths: npt.NDArray[np.int64], name: str) -> None:
    wrong = lengths != field.width
    if wrong.any():
        position = int(np.argmax(wrong))
        _check_width(field, int(lengths[position]), position, name)


def _check_width(field: Field, width: int, position: int, name: str) -> None:
    if width != field.width:
        unit = f" bits, {field.width} bytes" if field.type is DataType.BINARY_VECTOR else ""
        raise InvalidVector(
            f"field {field.name!r} has dimension {field.dimension}{unit}, not {width}: vector {position} of {name!r}",
            field=name,
            position=position,
        )


def _sparse_vectors(field: Field, values: Values, name: str) -> SparseArray:
    if not isinstance(values, SparseArray):
        raise TypeMismatch(f"{name!r} takes sparse vectors: indices and values of each row", field=name)
    lengths = values.lengths()
    if len(lengths) and int(lengths.max()) > SPARSE_ENTRIES_MAX:
        position = int(np.argmax(lengths > SPARSE_ENTRIES_MAX))
        raise LimitExceeded(
            f"vector {position} of {name!r} has {int(lengths[position])} entries, at most {SPARSE_ENTRIES_MAX} are allowed",
            field=name,
            position=position,
            limit=SPARSE_ENTRIES_MAX,
        )
    vectors = values.compact()
    highest = (field.dimension or SPARSE_DIMENSION_MAX) - 1
    row = np.repeat(np.arange(len(lengths)), lengths)
    falls = np.zeros(len(row), np.bool_)
    falls[1:] = (vectors.indices[1:] <= vectors.indices[:-1]) & (row[1:] == row[:-1])
    magnitude = vectors.values.view(np.uint32) & _FLOAT32_SIGN_CLEAR
    rules = (
        (vectors.indices > highest, f"has an index above {highest}"),
        (falls, "does not have ascending indices, each once"),
        (magnitude == 0, "holds a zero: leave it out"),
        ((magnitude >= _FLOAT32_INFINITE) | (magnitude <= _FLOAT32_DENORMAL_LAST), "holds NaN, an infinity or a denormal number"),
    )
    for broken, rule in rules:
        if broken.any():
            position = int(row[np.argmax(broken)])
            raise InvalidVector(f"vector {position} of {name!r} {rule}", field=name, position=position)
    return vectors
