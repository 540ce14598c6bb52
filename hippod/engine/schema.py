"""What a table is made of: field types, fields, schemas. Pure values; the rules for names and type parameters live here."""

from __future__ import annotations

import enum
import re
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np

from hippod.errors import FieldNotFound, InvalidName, LimitExceeded, Rejected

FIELDS_MAX: Final = 256
DIMENSION_MAX: Final = 65_536
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
    """The type of a field: what its cells are and how they travel."""

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
    ARRAY = "array"
    FLOAT_VECTOR = "float_vector"

    @property
    def is_string(self) -> bool:
        return self in STRING_TYPES

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of a cell (of an element, for vectors); raises KeyError for strings and arrays.

        date: int32 days since 1970-01-01; time: int64 microseconds since midnight;
        timestamp, datetime: int64 microseconds since 1970-01-01T00:00:00Z.
        """
        return _DTYPES[self]


STRING_TYPES: Final = frozenset({DataType.STRING, DataType.CHAR, DataType.VARCHAR, DataType.VARCHAR2})
_BOUNDED: Final = frozenset({DataType.CHAR, DataType.VARCHAR, DataType.VARCHAR2})
KEY_TYPES: Final = frozenset({DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64}) | STRING_TYPES
ELEMENT_TYPES: Final = frozenset(DataType) - {DataType.ARRAY, DataType.FLOAT_VECTOR}
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
}


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One field of a table. `number` is given by the catalog at creation, whatever is sent, and never changes or comes back.

    `max_length` is in UTF-8 bytes and bounds char, varchar and varchar2; `default` is a plain cell value (dates and times as the
    integers of a column).
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
        return self.type is DataType.FLOAT_VECTOR

    @property
    def length_max(self) -> int:
        """Most UTF-8 bytes that a cell may have."""
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


def _check_field(field: Field) -> None:
    name, kind = field.name, field.type

    def need(condition: bool, rule: str) -> None:
        if not condition:
            raise Rejected(f"field {name!r} ({kind}): {rule}", field=name)

    if kind is DataType.FLOAT_VECTOR:
        need(field.dimension is not None and 1 <= field.dimension <= DIMENSION_MAX, f"needs a dimension from 1 to {DIMENSION_MAX}")
        need(not field.nullable and field.default is None, "a vector is neither nullable nor has a default")
    else:
        need(field.dimension is None, "only float_vector has a dimension")
    if kind in _BOUNDED:
        need(field.max_length is not None and 1 <= field.max_length <= LENGTH_MAX, f"needs a max_length from 1 to {LENGTH_MAX} bytes")
    else:
        need(field.max_length is None, "only char, varchar and varchar2 have a max_length")
    if kind is DataType.ARRAY:
        need(field.element_type in ELEMENT_TYPES, "needs an element_type that is neither array nor vector")
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
    return isinstance(value, int) and info.min <= value <= info.max
