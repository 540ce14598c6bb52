"""Changes of tables, from creation over the trash to the end. Each function raises Rejected or a descendant, and changes nothing.

create ──► open ◄──open/close──► closed
             │                      │
             └───────drop───────────┤
                      restore ◄── trash ──purge or expiry──► gone
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import Final

import msgspec

from hippod.engine.catalog.catalog import Catalog
from hippod.engine.catalog.documents import (
    Changes,
    Closed,
    Dropped,
    IndexDefinition,
    TableDefinition,
    delete_alias,
    delete_grant,
    delete_table,
    put_alias,
    put_counter,
    put_table,
)
from hippod.engine.catalog.partitions import partitioned
from hippod.engine.catalog.settings import with_settings
from hippod.engine.catalog.templates import templated
from hippod.engine.operations import CreateTable
from hippod.engine.schema import check_name, check_schema
from hippod.errors import AlreadyExists, LimitExceeded, TableNotFound, WrongState

TABLES_MAX: Final = 10_000


def create_table(catalog: Catalog, wanted: CreateTable, owner: str) -> Changes:
    catalog.require_database(wanted.database)
    _require_free(catalog, wanted.database, check_name("table", wanted.table))
    schema = check_schema(wanted.schema)
    if len(catalog.by_number) >= TABLES_MAX:
        raise LimitExceeded(f"there are {TABLES_MAX} tables already, with those in the trash, the most allowed", limit=TABLES_MAX)
    table = TableDefinition(
        number=catalog.next_table,
        id=uuid.uuid4().hex,
        database=wanted.database,
        name=wanted.table,
        schema=schema,
        tablets=wanted.tablets,
        created=time.time(),
        next_field_number=len(schema.fields) + 1,
        owner=owner,
    )
    if wanted.partitioning is not None:
        table = partitioned(table, wanted.partitioning)
    table = with_settings(templated(catalog, table), wanted.settings)
    return (put_counter("table", table.number + 1), put_table(table))


def rename_table(catalog: Catalog, database: str, name: str, new_name: str) -> Changes:
    table = catalog.table(database, name)
    _require_free(catalog, database, check_name("table", new_name))
    return (put_table(msgspec.structs.replace(table, name=new_name)),)


def close_table(table: TableDefinition, rows: int) -> Changes:
    """`rows`: how many it has. Its indexes are released: opening it does not load them."""
    return (put_table(_closed(table, rows)),)


def open_table(table: TableDefinition) -> Changes:
    if table.dropped is not None:
        raise WrongState(f"table {table.name!r} is in the trash: restore it", table=table.name)
    return (put_table(msgspec.structs.replace(table, closed=None)),)


def drop_table(catalog: Catalog, table: TableDefinition, rows: int, running_s: int) -> Changes:
    """To the trash. The name is free then, and aliases lose the table."""
    dropped = msgspec.structs.replace(_closed(table, rows), dropped=Dropped(time.time(), running_s))
    return (put_counter("running_s", running_s), put_table(dropped), *_leave_aliases(catalog, table))


def restore_table(catalog: Catalog, table: TableDefinition, new_name: str | None) -> Changes:
    """Out of the trash, open, under its old name or a new one; its indexes are released."""
    name = table.name if new_name is None else check_name("table", new_name)
    _require_free(catalog, table.database, name)
    return (put_table(msgspec.structs.replace(table, name=name, closed=None, dropped=None)),)


def purge_table(catalog: Catalog, table: TableDefinition) -> Changes:
    """For good, out of the trash or not."""
    grants = (delete_grant(grant) for grant in catalog.grants.values() if grant.table == table.number)
    return (delete_table(table), *grants, *_leave_aliases(catalog, table))


def find_in_trash(catalog: Catalog, database: str, name: str) -> list[TableDefinition]:
    """The tables in the trash with this id or, the last one dropped first, of this name. Raises TableNotFound if there is none."""
    catalog.require_database(database)
    of_database = [t for t in catalog.trash() if t.database == database]
    found = [t for t in of_database if t.id == name] or [t for t in of_database if t.name == name]
    if not found:
        raise TableNotFound(f"no table {name[:128]!r} in the trash of database {database!r}", table=name[:128], database=database)
    return sorted(found, key=lambda table: (table.dropped.running_s, table.dropped.at) if table.dropped else (0, 0.0), reverse=True)


def _require_free(catalog: Catalog, database: str, name: str) -> None:
    for kind, names in (("table", catalog.tables), ("alias", catalog.aliases)):
        if (database, name) in names:
            raise AlreadyExists(f"{kind} {name!r} exists already in database {database!r}", table=name)


def _closed(table: TableDefinition, rows: int) -> TableDefinition:
    if table.closed is not None:
        return table
    return msgspec.structs.replace(table, closed=Closed(rows), indexes=tuple(_released(table.indexes)))


def _released(indexes: Iterable[IndexDefinition]) -> Iterable[IndexDefinition]:
    return (msgspec.structs.replace(index, released=index.active) for index in indexes)


def _leave_aliases(catalog: Catalog, table: TableDefinition) -> Changes:
    """Aliases without the table; one that led only to it goes."""
    changes: list[tuple[bytes, bytes | None]] = []
    for alias in catalog.aliases_of(table):
        left = tuple(number for number in alias.tables if number != table.number)
        write_table = None if alias.write_table == table.number else alias.write_table
        changes.append(put_alias(msgspec.structs.replace(alias, tables=left, write_table=write_table)) if left else delete_alias(alias))
    return tuple(changes)
