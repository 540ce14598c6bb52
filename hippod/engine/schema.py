"""What a table is made of: field types, fields, schemas. Pure values; the rules for names and type parameters live here."""

from __future__ import annotations

import datetime
import enum
import re
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np

from hippod.engine.arrays import BytesArray, StringArray
from hippod.errors import FieldNotFound, InvalidName, LimitExceeded, Rejected

FIELDS_MAX: Final = 256
DIMENSION_MAX: Final = 65_536
BINARY_DIMENSION_MAX: Final = 65_536 * 8
SPARSE_DIMENSION_MAX: Final = 2**32 - 1
SPARSE_ENTRIES_MAX: Final = 16_384
_SPARSE_BYTES_USUAL: Final = 1_024
LENGTH_MAX: Final = 65_536
VALUE_BYTES_MAX: Final = 8 << 20
KEY_BYTES_MAX: Final = 400
ARRAY_CAPACITY_MAX: Final = 4_096

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")


def check_name(kind: str, name: str) -> str:
    """Return `name`, or raise InvalidName: 1 to 128 of A-Z a-z 0-9 _ . -, not starting with . or -, without `..`."""
    if not _NAME.fullmatch(name) or ".." in name:
        shown = name if len(name) <= 40 else name[:40] + "..."
        raise InvalidName(
            f"{kind} name {shown!r} is not allowed: use 1 to 128 letters, digits, '_', '-' or '.', starting with a letter, digit or '_'",
            name=shown,
        )
    return name


class DataType(enum.StrEnum):
    """The type of a field: what its cells are and how they travel.

    string, char, varchar, varchar2 and clob are UTF-8 text, kept as it is sent (char is not padded); lengths count bytes. binary and
    blob are bytes. json is kept as canonical JSON text. date, time, timestamp and datetime are in years 1 to 9999, without a zone (UTC).
    """

    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT = "float"
    DOUBLE = "double"
    BOOL = "bool"
    STRING = "string"
    CHAR = "char"
    VARCHAR = "varchar"
    VARCHAR2 = "varchar2"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    DATETIME = "datetime"
    BINARY = "binary"
    BLOB = "blob"
    CLOB = "clob"
    JSON = "json"
    ARRAY = "array"
    FLOAT_VECTOR = "float_vector"
    BINARY_VECTOR = "binary_vector"
    SPARSE_FLOAT_VECTOR = "sparse_float_vector"

    @property
    def is_string(self) -> bool:
        """Whether cells are text that can be compared and searched by a pattern."""
        return self in STRING_TYPES

    @property
    def is_vector(self) -> bool:
        return self in VECTOR_TYPES

    @property
    def ragged(self) -> type[BytesArray] | None:
        """The array of cells of any length: StringArray for text, BytesArray for bytes; None for types with a dtype and for arrays."""
        return _RAGGED.get(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of a cell (of an element, for vectors); raises KeyError for ragged types, arrays and sparse vectors.

        binary_vector: uint8, eight bits a byte, the first in the highest place.
        date: int32 days since 1970-01-01; time: int64 microseconds since midnight;
        timestamp, datetime: int64 microseconds since 1970-01-01T00:00:00Z.
        """
        return _DTYPES[self]


VECTOR_TYPES: Final = frozenset({DataType.FLOAT_VECTOR, DataType.BINARY_VECTOR, DataType.SPARSE_FLOAT_VECTOR})
STRING_TYPES: Final = frozenset({DataType.STRING, DataType.CHAR, DataType.VARCHAR, DataType.VARCHAR2, DataType.CLOB})
# Filters know of these only whether they are null.
OPAQUE_TYPES: Final = frozenset({DataType.BINARY, DataType.BLOB, DataType.JSON})
_RAGGED: Final[dict[DataType, type[BytesArray]]] = {
    **dict.fromkeys((*STRING_TYPES, DataType.JSON), StringArray),
    DataType.BINARY: BytesArray,
    DataType.BLOB: BytesArray,
}
_BOUNDED: Final = frozenset({DataType.CHAR, DataType.VARCHAR, DataType.VARCHAR2})
KEY_TYPES: Final = frozenset({DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64}) | STRING_TYPES - {DataType.CLOB}
ELEMENT_TYPES: Final = frozenset(DataType) - {DataType.ARRAY, DataType.CLOB} - OPAQUE_TYPES - VECTOR_TYPES
_DTYPES: Final[dict[DataType, np.dtype[Any]]] = {
    DataType.INT8: np.dtype(np.int8),
    DataType.INT16: np.dtype(np.int16),
    DataType.INT32: np.dtype(np.int32),
    DataType.INT64: np.dtype(np.int64),
    DataType.FLOAT: np.dtype(np.float32),
    DataType.DOUBLE: np.dtype(np.float64),
    DataType.BOOL: np.dtype(np.bool_),
    DataType.DATE: np.dtype(np.int32),
    DataType.TIME: np.dtype(np.int64),
    DataType.TIMESTAMP: np.dtype(np.int64),
    DataType.DATETIME: np.dtype(np.int64),
    DataType.FLOAT_VECTOR: np.dtype(np.float32),
    DataType.BINARY_VECTOR: np.dtype(np.uint8),
}
_EPOCH: Final = datetime.datetime(1970, 1, 1)
_DAY_US: Final = 86_400_000_000
_DATES: Final = ((datetime.datetime.min - _EPOCH).days, (datetime.datetime.max - _EPOCH).days)
_MOMENTS: Final = (_DATES[0] * _DAY_US, (_DATES[1] + 1) * _DAY_US - 1)
# Lowest and highest cell of the types that don't use the whole range of their dtype.
RANGES: Final[dict[DataType, tuple[int, int]]] = {
    DataType.DATE: _DATES,
    DataType.TIME: (0, _DAY_US - 1),
    DataType.TIMESTAMP: _MOMENTS,
    DataType.DATETIME: _MOMENTS,
}


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One field of a table. `number` is given by the catalog at creation, whatever is sent, and never changes or comes back.

    `dimension` counts the numbers of a float_vector and the bits of a binary_vector, and may bound the indices of a
    sparse_float_vector. `max_length` is in (UTF-8) bytes and bounds char, varchar, varchar2 and, where given, binary; `default` is a
    plain cell value (dates and
    times as the integers of a column).
    """

    name: str
    type: DataType
    primary_key: bool = False
    nullable: bool = False
    default: Any = None
    dimension: int | None = None
    max_length: int | None = None
    element_type: DataType | None = None
    max_capacity: int | None = None
    number: int = 0

    @property
    def is_vector(self) -> bool:
        return self.type.is_vector

    @property
    def width(self) -> int:
        """Elements of a vector's row: numbers, or bytes of eight bits; 0 for sparse vectors."""
        if self.type is DataType.SPARSE_FLOAT_VECTOR:
            return 0
        dimension = self.dimension or 0
        return dimension // 8 if self.type is DataType.BINARY_VECTOR else dimension

    @property
    def vector_bytes(self) -> int:
        """Bytes of a vector; for sparse ones a usual number."""
        return self.width * self.type.dtype.itemsize if self.width else _SPARSE_BYTES_USUAL

    @property
    def length_max(self) -> int:
        """Most bytes that a cell may have."""
        if self.primary_key:
            return min(self.max_length or KEY_BYTES_MAX, KEY_BYTES_MAX)
        return self.max_length or VALUE_BYTES_MAX


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The fields of a table in their declared order. `auto_id`: the server makes the primary key of inserted rows."""

    # What follows from the fields is found out once: every request asks for it.

    fields: tuple[Field, ...]
    auto_id: bool = False

    @cached_property
    def primary_key(self) -> Field:
        return next(f for f in self.fields if f.primary_key)

    @cached_property
    def vector_fields(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.is_vector)

    @cached_property
    def scalar_fields(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if not f.is_vector)

    def field(self, name: str) -> Field:
        """The field called `name`, or FieldNotFound."""
        for field in self.fields:
            if field.name == name:
                return field
        raise FieldNotFound(f"no field {name[:128]!r} in this table; it has {', '.join(f.name for f in self.fields)}", field=name[:128])


def check_schema(schema: Schema) -> Schema:
    """Return the schema with numbered fields, or raise Rejected with the field and the rule it breaks."""
    fields = check_fields(schema.fields)
    return Schema(fields=tuple(msgspec.structs.replace(f, number=i + 1) for i, f in enumerate(fields)), auto_id=schema.auto_id)


def check_fields(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return the fields of a table as they are, or raise Rejected with the field and the rule it breaks."""
    if not 1 <= len(fields) <= FIELDS_MAX:
        raise LimitExceeded(f"a table has 1 to {FIELDS_MAX} fields, not {len(fields)}", limit=FIELDS_MAX)
    seen: set[str] = set()
    for field in fields:
        check_name("field", field.name)
        if field.name in seen:
            raise Rejected(f"field {field.name!r} is declared twice", field=field.name)
        seen.add(field.name)
        _check_field(field)
    keys = [f for f in fields if f.primary_key]
    if len(keys) != 1:
        raise Rejected(f"a table has exactly one primary key field, not {len(keys)}: set primary_key on one int or string field")
    return fields


_DIMENSIONS: Final = {
    DataType.FLOAT_VECTOR: (1, DIMENSION_MAX, 1),
    DataType.BINARY_VECTOR: (8, BINARY_DIMENSION_MAX, 8),
    DataType.SPARSE_FLOAT_VECTOR: (1, SPARSE_DIMENSION_MAX, 1),
}


def _check_field(field: Field) -> None:
    name, kind = field.name, field.type

    def need(condition: bool, rule: str) -> None:
        if not condition:
            raise Rejected(f"field {name!r} ({kind}): {rule}", field=name)

    if kind.is_vector:
        need(not field.nullable and field.default is None, "a vector is neither nullable nor has a default")
        lowest, highest, step = _DIMENSIONS[kind]
        fits = field.dimension is not None and lowest <= field.dimension <= highest and field.dimension % step == 0
        wanted = f"from {lowest} to {highest}" + (f", a multiple of {step}" if step > 1 else "")
        need(fits or (field.dimension is None and kind is DataType.SPARSE_FLOAT_VECTOR), f"needs a dimension {wanted}")
    else:
        need(field.dimension is None, "only a vector has a dimension")
    if kind in _BOUNDED:
        need(field.max_length is not None and 1 <= field.max_length <= LENGTH_MAX, f"needs a max_length from 1 to {LENGTH_MAX} bytes")
    elif kind is DataType.BINARY:
        need(field.max_length is None or 1 <= field.max_length <= LENGTH_MAX, f"a max_length is from 1 to {LENGTH_MAX} bytes")
    else:
        need(field.max_length is None, "only char, varchar, varchar2 and binary have a max_length")
    if kind in OPAQUE_TYPES:
        need(field.default is None, "this type has no default")
    if kind is DataType.ARRAY:
        need(field.element_type in ELEMENT_TYPES, f"needs an element_type: one of {', '.join(sorted(ELEMENT_TYPES))}")
        need(field.max_capacity is None or 1 <= field.max_capacity <= ARRAY_CAPACITY_MAX, f"max_capacity is from 1 to {ARRAY_CAPACITY_MAX}")
        need(field.default is None, "an array has no default")
    else:
        need(field.element_type is None and field.max_capacity is None, "only array has element_type and max_capacity")
    if field.primary_key:
        need(kind in KEY_TYPES, "a primary key is an int or a string")
        need(not field.nullable and field.default is None, "a primary key is neither nullable nor has a default")
    if field.default is not None:
        need(default_fits(field), "the default does not fit the type")


def default_fits(field: Field) -> bool:
    value, kind = field.default, field.type
    if kind.is_string:
        return isinstance(value, str) and len(value.encode()) <= field.length_max
    if kind is DataType.BOOL:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind in (DataType.FLOAT, DataType.DOUBLE):
        return bool(np.isfinite(np.asarray(value, kind.dtype)))
    info: np.iinfo[Any] = np.iinfo(kind.dtype)
    lowest, highest = RANGES.get(kind, (info.min, info.max))
    return isinstance(value, int) and lowest <= value <= highest
