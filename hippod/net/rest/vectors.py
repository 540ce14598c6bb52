"""Binary and sparse vectors as JSON has them, to blocks: the forms in which they may be written.

    binary   [255, 0, ...]                 a number from 0 to 255 for each eight bits, the first bit in the highest place
             "1010..."                     a digit for each bit
             "q/8="                        base64 of the bytes
    sparse   {"12": 0.5, "90": 1.25}       index to value
             [[12, 0.5], [90, 1.25]]       pairs of them
             {"indices": [12, 90], "values": [0.5, 1.25]}

Only the form is checked here; width, range and what else holds for the vectors of a field is the engine's. Errors name the field and the
position of the vector.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from hippod.engine.arrays import BytesArray, SparseArray
from hippod.errors import TypeMismatch

_INDEX_MAX: Final = 2**32 - 2
_INDEX_DIGITS_MAX: Final = 10
_BYTE_MAX: Final = 255


def binary_vectors(name: str, rows: Sequence[Any], dimension: int) -> BytesArray:
    """The bytes of each row. Raises TypeMismatch for what is no binary vector.

    A text of `dimension` times 0 or 1 is digits: base64 of as many bits is shorter.
    """
    return BytesArray.of_bytes([_bytes(name, row, position, dimension) for position, row in enumerate(rows)])


def _bytes(name: str, row: Any, position: int, dimension: int) -> bytes:
    if isinstance(row, str):
        if len(row) == dimension and not row.strip("01"):
            return int(row, 2).to_bytes(-(-dimension // 8)) if row else b""
        try:
            return base64.b64decode(row, validate=True)
        except (binascii.Error, ValueError):
            raise _mismatch(name, position, f"a text is {dimension} digits 0 or 1, or base64 of the bytes") from None
    if not isinstance(row, list) or not all(type(number) is int and 0 <= number <= _BYTE_MAX for number in row):
        raise _mismatch(name, position, "a binary vector is a list of numbers from 0 to 255, a text of bits, or base64")
    return bytes(row)


def sparse_vectors(name: str, rows: Sequence[Any]) -> SparseArray:
    """The entries of each row by rising index, zeros left out. Raises TypeMismatch for what is no sparse vector; an index that is there
    twice is left for the engine to refuse."""
    indices: list[int] = []
    values: list[float] = []
    lengths = np.empty(len(rows), np.int64)
    for position, row in enumerate(rows):
        found, weights = _entries(name, row, position)
        indices += [_index(name, index, position) for index in found]
        values += [_value(name, value, position) for value in weights]
        lengths[position] = len(found)
    with np.errstate(over="ignore"):
        numbers = np.array(values, np.float64).astype(np.float32)
    row_of = np.repeat(np.arange(len(rows)), lengths)
    order = np.lexsort((np.array(indices, np.int64), row_of))
    order = order[numbers[order] != 0]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.bincount(row_of[order], minlength=len(rows)), out=offsets[1:])
    return SparseArray(offsets, np.array(indices, np.uint32)[order], numbers[order])


def _entries(name: str, row: Any, position: int) -> tuple[Sequence[Any], Sequence[Any]]:
    """The indices and the values of one row, whatever its form."""
    if isinstance(row, dict) and row.keys() == {"indices", "values"}:
        indices, values = row["indices"], row["values"]
        if not isinstance(indices, list) or not isinstance(values, list) or len(indices) != len(values):
            raise _mismatch(name, position, "indices and values are lists of one length")
        return indices, values
    if isinstance(row, dict):
        return list(row), list(row.values())
    if isinstance(row, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in row):
        return [pair[0] for pair in row], [pair[1] for pair in row]
    raise _mismatch(name, position, 'a sparse vector is {"index": value}, [[index, value]] or {"indices": [...], "values": [...]}')


def _index(name: str, index: Any, position: int) -> int:
    if isinstance(index, str) and index.isascii() and index.isdigit() and len(index) <= _INDEX_DIGITS_MAX:
        index = int(index)
    if type(index) is not int or not 0 <= index <= _INDEX_MAX:
        raise _mismatch(name, position, f"an index is a whole number from 0 to {_INDEX_MAX}, not {str(index)[:40]!r}")
    return index


def _value(name: str, value: Any, position: int) -> float:
    if type(value) is not int and type(value) is not float:
        raise _mismatch(name, position, f"a value is a number, not {str(value)[:40]!r}")
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _mismatch(name: str, position: int, rule: str) -> TypeMismatch:
    return TypeMismatch(f"vector {position} of {name!r}: {rule}", field=name, position=position)
