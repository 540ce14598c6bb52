"""Fields of tables as Hippo writes them, and as the engine has them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hippod.engine.expr import parse_moment
from hippod.engine.schema import LENGTH_MAX, DataType, Field, Schema
from hippod.errors import Rejected, TypeMismatch
from hippod.net.rest.body import Body
from hippod.net.rest.columns import shown_moment

_SYNONYMS: Final = {"bigint": DataType.INT64}
_BOUNDED: Final = frozenset({DataType.CHAR, DataType.VARCHAR, DataType.VARCHAR2})
_MOMENTS: Final = frozenset({DataType.DATE, DataType.TIME, DataType.TIMESTAMP, DataType.DATETIME})


class TypeParams(Body, frozen=True, omit_defaults=True):
    """`dimension` of vectors; `length` in UTF-8 bytes of char, varchar and varchar2, LENGTH_MAX by default; `element_type` and
    `max_capacity` of arrays. What is no key and no vector is `nullable` unless this says otherwise."""

    dimension: int | None = None
    dim: int | None = None
    length: int | None = None
    max_length: int | None = None
    nullable: bool | None = None
    default: Any = None
    element_type: str | None = None
    max_capacity: int | None = None


class FieldBody(Body, frozen=True, omit_defaults=True):
    """One field, in requests and in answers. `data_type` in any case."""

    name: str
    data_type: str
    is_primary_key: bool | None = None
    type_params: TypeParams | None = None


def to_field(body: FieldBody) -> Field:
    """What the engine takes. Raises Rejected for a type that there is not; the rest is checked by the engine."""
    kind = _data_type(body.name, body.data_type)
    given = body.type_params or TypeParams()
    length = given.length if given.length is not None else given.max_length
    return Field(
        name=body.name,
        type=kind,
        primary_key=bool(body.is_primary_key),
        nullable=_is_nullable(body, kind, given.nullable),
        default=_stored_default(body.name, kind, given.default),
        dimension=given.dimension if given.dimension is not None else given.dim,
        max_length=LENGTH_MAX if length is None and kind in _BOUNDED else length,
        element_type=None if given.element_type is None else _data_type(body.name, given.element_type),
        max_capacity=given.max_capacity,
    )


def _data_type(field: str, name: str) -> DataType:
    lower = name.lower()
    try:
        return _SYNONYMS.get(lower) or DataType(lower)
    except ValueError:
        raise Rejected(f"field {field[:128]!r}: no data type {name[:40]!r}; there are {', '.join(DataType)}", field=field[:128]) from None


def _is_nullable(body: FieldBody, kind: DataType, said: bool | None) -> bool:
    return said if said is not None else not body.is_primary_key and not kind.is_vector


def _stored_default(name: str, kind: DataType, value: Any) -> Any:
    if kind not in _MOMENTS or not isinstance(value, str):
        return value
    try:
        return parse_moment(kind, value)
    except (ValueError, OverflowError):
        raise TypeMismatch(f"field {name[:128]!r}: the default {value[:40]!r} is no {kind}", field=name[:128]) from None


def shown_fields(schema: Schema) -> list[FieldBody]:
    """The fields as a request would declare them."""
    return [_shown_field(field) for field in schema.fields]


def _shown_field(field: Field) -> FieldBody:
    default = field.default
    if default is not None and field.type in _MOMENTS:
        default = shown_moment(field.type, default)
    implied = not field.primary_key and not field.is_vector
    params = TypeParams(
        dimension=field.dimension,
        length=field.max_length,
        nullable=None if field.nullable == implied else field.nullable,
        default=default,
        element_type=None if field.element_type is None else field.element_type.value,
        max_capacity=field.max_capacity,
    )
    return FieldBody(
        name=field.name,
        data_type=field.type.value,
        is_primary_key=field.primary_key,
        type_params=None if params == TypeParams() else params,
    )


class SchemaBody(Body, frozen=True):
    """`auto_id`: the server makes the primary keys."""

    fields: list[FieldBody]
    auto_id: bool | None = None


class SchemaView(msgspec.Struct, frozen=True):
    """The schema of a table in answers."""

    auto_id: bool
    fields: list[FieldBody]


def to_schema(body: SchemaBody) -> Schema:
    return Schema(tuple(to_field(field) for field in body.fields), auto_id=bool(body.auto_id))


def shown_schema(schema: Schema) -> SchemaView:
    return SchemaView(schema.auto_id, shown_fields(schema))
