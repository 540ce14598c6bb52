"""Which databases, tables, indexes and users exist: one file a noun computes its changes, `catalog` holds what is, `documents` its form."""

from hippod.engine.catalog.catalog import Catalog
from hippod.engine.catalog.documents import (
    Changes,
    IndexDefinition,
    PartitioningDefinition,
    TableDefinition,
    User,
    delete_table,
    put_table,
    put_user,
    table_number,
)

__all__ = [
    "Catalog",
    "Changes",
    "IndexDefinition",
    "PartitioningDefinition",
    "TableDefinition",
    "User",
    "delete_table",
    "put_table",
    "put_user",
    "table_number",
]
