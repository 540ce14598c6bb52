"""Changes of databases. Each function raises Rejected or a descendant, and changes nothing."""

from __future__ import annotations

from typing import Final

from hippod.engine.catalog.catalog import Catalog
from hippod.engine.catalog.documents import DATABASE, Changes, Grant, delete_grant, put_grant
from hippod.engine.catalog.tables import purge_table
from hippod.engine.operations import DEFAULT_DATABASE, Privilege
from hippod.engine.schema import check_name
from hippod.errors import AlreadyExists, LimitExceeded, Rejected

DATABASES_MAX: Final = 1_024


def create_database(catalog: Catalog, name: str, owner: str) -> Changes:
    """`owner` gets all privileges on it."""
    check_name("database", name)
    if name in catalog.databases:
        raise AlreadyExists(f"database {name!r} exists already", database=name)
    if len(catalog.databases) >= DATABASES_MAX:
        raise LimitExceeded(f"there are {DATABASES_MAX} databases already, the most allowed", limit=DATABASES_MAX)
    return ((DATABASE + name.encode(), b""), put_grant(Grant(owner, name, None, owner, (Privilege.ALL,))))


def drop_database(catalog: Catalog, name: str) -> Changes:
    """Its trash goes with it."""
    catalog.require_database(name)
    if name == DEFAULT_DATABASE:
        raise Rejected("the default database cannot be dropped", database=name)
    tables = [t.name for t in catalog.tables_of(name)]
    if tables:
        raise Rejected(f"database {name!r} still has {len(tables)} tables, such as {tables[0]!r}: drop them first", database=name)
    trash = (change for table in catalog.trash() if table.database == name for change in purge_table(catalog, table))
    grants = (delete_grant(grant) for grant in catalog.grants.values() if (grant.database, grant.table) == (name, None))
    return (*trash, *grants, (DATABASE + name.encode(), None))
