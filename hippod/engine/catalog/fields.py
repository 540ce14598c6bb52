"""Tables with other fields. Each function raises Rejected or a descendant, and changes nothing.

A field is its number: rows on disk have their cells under it, so a new name changes no row, cells of a dropped field mean nothing any
more, and no number comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hippod.engine.catalog.documents import TableDefinition
from hippod.engine.schema import Field, check_fields
from hippod.errors import Rejected


def add_fields(table: TableDefinition, wanted: Sequence[Field], *, has_rows: bool) -> TableDefinition:
    if not wanted:
        raise Rejected("add_fields needs one field or more")
    for field in wanted:
        if field.is_vector or field.primary_key:
            raise Rejected(f"field {field.name!r}: neither a vector nor a primary key can be added to a table", field=field.name)
        if has_rows and field.default is None and not field.nullable:
            raise Rejected(
                f"field {field.name!r} needs a default, or must be nullable: table {table.name!r} has rows, which get it", field=field.name
            )
    first = table.next_field_number
    added = [msgspec.structs.replace(field, number=number) for number, field in enumerate(wanted, first)]
    changed = _with_fields(table, (*table.schema.fields, *added))
    return msgspec.structs.replace(changed, next_field_number=first + len(added))


def drop_fields(table: TableDefinition, names: Sequence[str]) -> TableDefinition:
    if not names:
        raise Rejected("drop_fields needs one name or more")
    numbers = {_droppable(table, name).number for name in names}
    return _with_fields(table, (field for field in table.schema.fields if field.number not in numbers))


def rename_fields(table: TableDefinition, names: Mapping[str, str]) -> TableDefinition:
    if not names:
        raise Rejected("rename_fields needs one name or more")
    new = {table.schema.field(before).number: after for before, after in names.items()}
    renamed = (msgspec.structs.replace(field, name=new.get(field.number, field.name)) for field in table.schema.fields)
    return _with_fields(table, renamed)


def _with_fields(table: TableDefinition, fields: Iterable[Field]) -> TableDefinition:
    schema = msgspec.structs.replace(table.schema, fields=check_fields(tuple(fields)))
    return msgspec.structs.replace(table, schema=schema)


def _droppable(table: TableDefinition, name: str) -> Field:
    field = table.schema.field(name)
    if field.primary_key:
        raise Rejected(f"field {name!r} is the primary key and cannot be dropped", field=name)
    for index in table.indexes:
        if index.field == field.number:
            raise Rejected(f"field {name!r} has the index {index.name!r}: drop it first", field=name, index=index.name)
    for scalar_index in table.scalar_indexes:
        if field.number in scalar_index.fields:
            raise Rejected(f"field {name!r} has the scalar index {scalar_index.name!r}: drop it first", field=name)
    if table.partitioning is not None and field.number in table.partitioning.fields:
        raise Rejected(f"table {table.name!r} is partitioned by field {name!r}, which cannot be dropped", field=name)
    return field
