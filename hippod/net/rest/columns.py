"""Cells of columns as JSON has them, both ways: lists of a request to columns, columns of a result to lists.

Numbers and vectors go through numpy whole. Dates and times are ISO 8601 text; as integers they mean what columns hold: days, or
microseconds. Bytes are base64, a cell of JSON is any value, for vectors see `vectors`. A null is null.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from hippod.engine.arrays import BytesArray, Column, ListArray, SparseArray, StringArray, Values
from hippod.engine.expr import parse_moment
from hippod.engine.schema import DataType, Field
from hippod.errors import InvalidVector, TypeMismatch
from hippod.net.rest.vectors import binary_vectors, sparse_vectors

_MOMENTS: Final = frozenset({DataType.DATE, DataType.TIME, DataType.TIMESTAMP, DataType.DATETIME})
_FLOATS: Final = frozenset({DataType.FLOAT, DataType.DOUBLE})
_MIDNIGHT: Final = np.datetime64("1970-01-01T00:00:00", "us")

_Vectors = msgspec.json.Decoder(list[list[float]], strict=False)
_Integers = msgspec.json.Decoder(list[int | None], strict=False)
_Reals = msgspec.json.Decoder(list[float | None], strict=False)
_Booleans = msgspec.json.Decoder(list[bool | None], strict=False)
_Strings = msgspec.json.Decoder(list[str | None])
_MomentCells = msgspec.json.Decoder(list[int | str | None])
_Blobs = msgspec.json.Decoder(list[bytes | None])
_Cells = msgspec.json.Decoder(list[Any])
_Lists = msgspec.json.Decoder(list[msgspec.Raw])


def read_column(field: Field, raw: msgspec.Raw) -> Column:
    """The column of a JSON list with one cell a row. Raises TypeMismatch or InvalidVector, which names field and row."""
    if field.is_vector:
        return Column(field.name, _VECTOR_READERS[field.type](field.name, raw, field))
    if field.type is DataType.ARRAY:
        return _read_lists(field, raw)
    values, valid = _read_cells(field.name, field.type, raw)
    return Column(field.name, values, valid)


def read_vectors(name: str, raw: msgspec.Raw) -> npt.NDArray[np.float32]:
    """float32 (n, dimension) of a list of lists; an empty list has dimension 0."""
    vectors = _decode(name, _Vectors, raw)
    lengths = set(map(len, vectors))
    if len(lengths) > 1:
        first = len(vectors[0])
        position = next(i for i, vector in enumerate(vectors) if len(vector) != first)
        raise InvalidVector(
            f"the vectors of {name!r} differ in length: vector 0 has {first}, vector {position} has {len(vectors[position])}",
            field=name,
            position=position,
        )
    with np.errstate(over="ignore"):
        return np.array(vectors, np.float64).astype(np.float32).reshape(len(vectors), lengths.pop() if lengths else 0)


def _read_binary_vectors(name: str, raw: msgspec.Raw, field: Field) -> BytesArray:
    return binary_vectors(name, _decode(name, _Cells, raw), field.dimension or 0)


def _read_sparse_vectors(name: str, raw: msgspec.Raw, _field: Field) -> SparseArray:
    return sparse_vectors(name, _decode(name, _Cells, raw))


_VECTOR_READERS: Final[dict[DataType, Callable[[str, msgspec.Raw, Field], Values]]] = {
    DataType.FLOAT_VECTOR: lambda name, raw, _field: read_vectors(name, raw),
    DataType.BINARY_VECTOR: _read_binary_vectors,
    DataType.SPARSE_FLOAT_VECTOR: _read_sparse_vectors,
}


def read_queries(kind: DataType, name: str, raw: msgspec.Raw, field: Field) -> Values:
    """Vectors of a type, as a request names them, that are to be compared with those of `field`."""
    return _VECTOR_READERS[kind](name, raw, field)


def _decode(name: str, decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise TypeMismatch(f"field {name!r}: {error}", field=name) from None


def _read_cells(name: str, kind: DataType, raw: msgspec.Raw) -> tuple[Values, npt.NDArray[np.bool_] | None]:
    """Cells of one type, and which are not null (None where all are)."""
    if kind.is_string:
        strings = _decode(name, _Strings, raw)
        valid = _validity(strings)
        return StringArray.of(strings if valid is None else [cell or "" for cell in strings]), valid
    if kind is DataType.JSON:
        texts = [bytes(cell) for cell in _decode(name, _Lists, raw)]
        present = np.fromiter((text != b"null" for text in texts), np.bool_, len(texts))
        return StringArray.of_bytes(texts), None if present.all() else present
    if kind.ragged is not None:
        blobs = _decode(name, _Blobs, raw)
        return BytesArray.of_bytes([cell or b"" for cell in blobs]), _validity(blobs)
    if kind in _MOMENTS:
        moments = _decode(name, _MomentCells, raw)
        return _numbers(name, [_moment(name, kind, cell) for cell in moments], np.dtype(np.int64)), _validity(moments)
    if kind is DataType.BOOL:
        cells = _decode(name, _Booleans, raw)
        return _numbers(name, cells, np.dtype(np.bool_)), _validity(cells)
    is_real = kind in _FLOATS
    cells = _decode(name, _Reals if is_real else _Integers, raw)
    return _numbers(name, cells, np.dtype(np.float64 if is_real else np.int64)), _validity(cells)


def _validity(cells: Sequence[object]) -> npt.NDArray[np.bool_] | None:
    if None not in cells:
        return None
    return np.fromiter((cell is not None for cell in cells), np.bool_, len(cells))


def _numbers(name: str, cells: Sequence[Any], dtype: np.dtype[Any]) -> npt.NDArray[np.generic]:
    """Nulls become zero."""
    try:
        return np.array([cell or 0 for cell in cells] if None in cells else cells, dtype)
    except OverflowError:
        position = next(i for i, cell in enumerate(cells) if cell is not None and not -(2**63) <= cell < 2**63)
        raise TypeMismatch(
            f"field {name!r}, row {position}: {cells[position]} does not fit 64 bits", field=name, position=position
        ) from None


def _moment(name: str, kind: DataType, cell: int | str | None) -> int | None:
    if not isinstance(cell, str):
        return cell
    try:
        return parse_moment(kind, cell)
    except (ValueError, OverflowError):
        raise TypeMismatch(f"field {name!r}: {cell[:40]!r} is no {kind}", field=name) from None


def _read_lists(field: Field, raw: msgspec.Raw) -> Column:
    """Arrays: their elements are read as one list."""
    assert field.element_type is not None
    cells = _decode(field.name, _Lists, raw)
    valid = np.fromiter((bytes(cell) != b"null" for cell in cells), np.bool_, len(cells))
    parts = [_read_cells(field.name, field.element_type, cell) for cell, present in zip(cells, valid, strict=True) if present]
    if any(mask is not None for _, mask in parts):
        raise TypeMismatch(f"field {field.name!r}: an array has no null elements", field=field.name)
    lengths = np.zeros(len(cells), np.int64)
    lengths[valid] = [len(values) for values, _ in parts]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    if field.element_type.is_string:
        inner: Any = StringArray.of_bytes(
            list(itertools.chain.from_iterable(v.to_bytes_list() for v, _ in parts if isinstance(v, StringArray)))
        )
    else:
        inner = np.concatenate([v for v, _ in parts if isinstance(v, np.ndarray)] or [np.empty(0, np.int64)])
    return Column(field.name, ListArray(offsets, inner), None if valid.all() else valid)


def shown_cells(field: Field, column: Column) -> Any:
    """A column as a list or an array, whose slices the encoder takes; nulls are None."""
    kind, values, valid = field.type, column.values, column.valid
    if isinstance(values, np.ndarray) and kind not in _MOMENTS:
        if valid is None or field.is_vector:
            return values
        cells = orjson.loads(orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY))
    elif isinstance(values, np.ndarray):
        cells = [shown_moment(kind, cell) for cell in values.tolist()]
    else:
        cells = values.to_list()
        if kind is DataType.JSON:
            cells = [msgspec.Raw(cell) for cell in values.to_bytes_list()]
        if field.element_type in _MOMENTS:
            cells = [[shown_moment(field.element_type, element) for element in cell] for cell in cells]
    return cells if valid is None else [cell if present else None for cell, present in zip(cells, valid.tolist(), strict=True)]


def shown_moment(kind: DataType, stored: int) -> str:
    """ISO 8601 with a blank between date and time, which reads back as the same; a fraction only where there is one."""
    if kind is DataType.DATE:
        return str(np.datetime64(stored, "D"))
    text = str(_MIDNIGHT + np.timedelta64(stored, "us")).removesuffix(".000000").replace("T", " ")
    return text.partition(" ")[2] if kind is DataType.TIME else text
