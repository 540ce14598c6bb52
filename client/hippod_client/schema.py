"""The fields of a table, as a client declares them and reads them back."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hippod_client.columns import encode_cells


class DataType(enum.StrEnum):
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


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a table.

    `type`: a DataType or its name. Exactly one field of a table has `primary_key` (an int or string type). `dimension` is for
    float_vector (numbers) and binary_vector (bits, a multiple of 8), and may bound the indices of sparse_float_vector; `max_length`, in
    bytes (of UTF-8), is for char, varchar and varchar2, and may be given for binary; `element_type` and `max_capacity` for array.
    `default` is a cell of the field (also a date, time or datetime); read back it is as rows carry it.
    """

    name: str
    type: DataType | str
    primary_key: bool = False
    nullable: bool = False
    default: Any = None
    dimension: int | None = None
    max_length: int | None = None
    element_type: DataType | str | None = None
    max_capacity: int | None = None

    def to_wire(self) -> dict[str, Any]:
        """The map of the field as a request has it: without what is not set."""
        set_fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "default"}
        out = {name: str(value) if isinstance(value, str) else value for name, value in set_fields.items() if value}
        if self.default is not None:
            out["default"] = self._default_to_wire()
        return out

    def _default_to_wire(self) -> Any:
        if not isinstance(self.default, datetime.date | datetime.time):
            return self.default
        cells = encode_cells(self.name, [self.default]).values
        assert isinstance(cells, np.ndarray)
        return int(cells[0])

    @classmethod
    def from_wire(cls, field: Mapping[str, Any]) -> Field:
        known = {f.name: field[f.name] for f in dataclasses.fields(cls) if f.name in field}
        return cls(**{**known, "type": _known_type(known["type"])})


def _known_type(name: str) -> DataType | str:
    """A type of a newer server stays a plain string."""
    try:
        return DataType(name)
    except ValueError:
        return name
