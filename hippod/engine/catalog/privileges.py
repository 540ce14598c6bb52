"""Changes of privileges. Each function raises Rejected or a descendant, and changes nothing.

A grant is kept for each user and table, or database; it goes with either of them. A renamed table keeps its grants, one in the trash too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from hippod.engine.catalog.catalog import Catalog
from hippod.engine.catalog.documents import Changes, Grant, TableDefinition, delete_grant, put_grant
from hippod.engine.operations.privileges import Privilege
from hippod.errors import LimitExceeded, Rejected

GRANTS_MAX: Final = 100_000
_PARTS_OF_ALL: Final = (Privilege.CREATE, Privilege.ACCESS)


def grant(
    catalog: Catalog, user: str, database: str, table: TableDefinition | None, privileges: Sequence[Privilege], grantor: str
) -> Changes:
    before = _find(catalog, user, database, table, privileges)
    if before is None and len(catalog.grants) >= GRANTS_MAX:
        raise LimitExceeded(f"there are {GRANTS_MAX} grants already, the most allowed", limit=GRANTS_MAX)
    had = () if before is None else before.privileges
    wanted = tuple(privilege for privilege in Privilege if privilege in had or privilege in privileges)
    held = (Privilege.ALL,) if Privilege.ALL in wanted else wanted
    return (put_grant(Grant(user, database, None if table is None else table.number, grantor, held)),)


def revoke(catalog: Catalog, user: str, database: str, table: TableDefinition | None, privileges: Sequence[Privilege]) -> Changes:
    before = _find(catalog, user, database, table, privileges)
    if before is None:
        return ()
    had = _PARTS_OF_ALL if Privilege.ALL in before.privileges else before.privileges
    left = () if Privilege.ALL in privileges else tuple(privilege for privilege in had if privilege not in privileges)
    return (put_grant(msgspec.structs.replace(before, privileges=left)) if left else delete_grant(before),)


def grants_on(catalog: Catalog, database: str, table: TableDefinition | None) -> list[Grant]:
    """The grants on a table, or on a database as such, by user."""
    number = None if table is None else table.number
    found = [grant for grant in catalog.grants.values() if (grant.database, grant.table) == (database, number)]
    return sorted(found, key=lambda grant: grant.user)


def _find(catalog: Catalog, user: str, database: str, table: TableDefinition | None, privileges: Sequence[Privilege]) -> Grant | None:
    catalog.user(user)
    catalog.require_database(database)
    if not privileges:
        raise Rejected("name one privilege or more: create, access or all", field="privileges")
    return catalog.grants.get((user, database, None if table is None else table.number))
