"""Changes of vector indexes. Each function raises Rejected or a descendant, and changes nothing."""

from __future__ import annotations

from typing import Final

import msgspec

from hippod.engine.catalog.documents import Changes, IndexDefinition, TableDefinition, put_table
from hippod.engine.schema import check_name
from hippod.errors import AlreadyExists, LimitExceeded

INDEXES_MAX: Final = 64


def create_index(table: TableDefinition, index: IndexDefinition) -> Changes:
    return (put_table(with_index(table, index)),)


def with_index(table: TableDefinition, index: IndexDefinition) -> TableDefinition:
    """The table with one index more, which gets its number here."""
    check_name("index", index.name)
    if any(i.name == index.name for i in table.indexes):
        raise AlreadyExists(f"index {index.name!r} exists already on table {table.name!r}", index=index.name)
    if len(table.indexes) >= INDEXES_MAX:
        raise LimitExceeded(f"table {table.name!r} has {INDEXES_MAX} indexes already, the most allowed", limit=INDEXES_MAX)
    numbered = msgspec.structs.replace(index, number=table.next_index_number)
    return msgspec.structs.replace(table, indexes=(*table.indexes, numbered), next_index_number=table.next_index_number + 1)


def drop_index(table: TableDefinition, name: str) -> Changes:
    dropped = table.index(name)
    return (put_table(msgspec.structs.replace(table, indexes=tuple(i for i in table.indexes if i is not dropped))),)
