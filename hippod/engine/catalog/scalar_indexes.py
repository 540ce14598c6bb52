"""Changes of scalar indexes. Each function raises Rejected or a descendant, and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hippod.engine.catalog.documents import Changes, ScalarIndexDefinition, TableDefinition, put_table
from hippod.engine.operations.scalar_indexes import SCALAR_INDEX_FIELDS_MAX, SCALAR_INDEXES_MAX
from hippod.engine.schema import ELEMENT_TYPES, DataType, check_name
from hippod.errors import AlreadyExists, IndexNotFound, LimitExceeded, Rejected


def create_scalar_index(table: TableDefinition, name: str, field_names: Sequence[str]) -> Changes:
    check_name("index", name)
    if name in {*(index.name for index in table.indexes), *(index.name for index in table.scalar_indexes)}:
        raise AlreadyExists(f"index {name!r} exists already on table {table.name!r}", index=name)
    if len(table.scalar_indexes) >= SCALAR_INDEXES_MAX:
        raise LimitExceeded(
            f"table {table.name!r} has {SCALAR_INDEXES_MAX} scalar indexes already, the most allowed", limit=SCALAR_INDEXES_MAX
        )
    if not 1 <= len(field_names) <= SCALAR_INDEX_FIELDS_MAX:
        raise LimitExceeded(f"a scalar index has 1 to {SCALAR_INDEX_FIELDS_MAX} fields", limit=SCALAR_INDEX_FIELDS_MAX)
    fields = [table.schema.field(field_name) for field_name in field_names]
    if len(set(field_names)) != len(field_names):
        raise Rejected("a scalar index names a field twice", index=name)
    for field in fields:
        if field.type not in ELEMENT_TYPES and field.type is not DataType.ARRAY:
            raise Rejected(f"field {field.name!r} of type {field.type} has no scalar index", field=field.name)
    index = ScalarIndexDefinition(name, tuple(field.number for field in fields))
    return (put_table(msgspec.structs.replace(table, scalar_indexes=(*table.scalar_indexes, index))),)


def drop_scalar_index(table: TableDefinition, name: str) -> Changes:
    left = tuple(index for index in table.scalar_indexes if index.name != name)
    if len(left) == len(table.scalar_indexes):
        raise IndexNotFound(f"no scalar index {name[:128]!r} on table {table.name!r}", index=name[:128])
    return (put_table(msgspec.structs.replace(table, scalar_indexes=left)),)
