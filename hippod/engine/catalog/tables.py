"""Changes of tables. Each function raises Rejected or a descendant, and changes nothing."""

from __future__ import annotations

import time
import uuid
from typing import Final

import msgspec

from hippod.engine.catalog.catalog import Catalog
from hippod.engine.catalog.documents import COUNTER, Changes, TableDefinition, delete_table, put_table
from hippod.engine.schema import Schema, check_name, check_schema
from hippod.errors import AlreadyExists, LimitExceeded

TABLES_MAX: Final = 10_000


def create_table(catalog: Catalog, database: str, name: str, schema: Schema, tablets: int) -> Changes:
    catalog.require_database(database)
    check_name("table", name)
    if (database, name) in catalog.tables:
        raise AlreadyExists(f"table {name!r} exists already in database {database!r}", table=name)
    if len(catalog.tables) >= TABLES_MAX:
        raise LimitExceeded(f"there are {TABLES_MAX} tables already, the most allowed", limit=TABLES_MAX)
    table = TableDefinition(
        number=catalog.next_table,
        id=uuid.uuid4().hex,
        database=database,
        name=name,
        schema=check_schema(schema),
        tablets=tablets,
        created=time.time(),
    )
    return ((COUNTER + b"table", msgspec.msgpack.encode(table.number + 1)), put_table(table))


def drop_table(catalog: Catalog, database: str, name: str) -> Changes:
    return (delete_table(catalog.table(database, name)),)
