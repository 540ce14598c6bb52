"""Changes of users. Each function raises Rejected or a descendant, and changes nothing. There is always a superuser."""

from __future__ import annotations

from typing import Final

import msgspec

from hippod.engine.catalog.catalog import Catalog
from hippod.engine.catalog.documents import Changes, User, delete_grant, delete_user, put_table, put_user
from hippod.engine.schema import check_name
from hippod.errors import AlreadyExists, LimitExceeded, Rejected

USERS_MAX: Final = 10_000


def create_user(catalog: Catalog, user: User) -> Changes:
    check_name("user", user.name)
    if user.name in catalog.users:
        raise AlreadyExists(f"user {user.name!r} exists already", user=user.name)
    if len(catalog.users) >= USERS_MAX:
        raise LimitExceeded(f"there are {USERS_MAX} users already, the most allowed", limit=USERS_MAX)
    return (put_user(user),)


def alter_user(catalog: Catalog, user: User) -> Changes:
    """`user` takes the place of the one of its name."""
    if catalog.user(user.name).is_superuser and not user.is_superuser:
        _require_other_superuser(catalog, user.name)
    return (put_user(user),)


def drop_user(catalog: Catalog, name: str, heir: str) -> Changes:
    """`heir` gets the tables: a later user of the same name must not find that they are his."""
    user = catalog.user(name)
    if name == heir:
        raise Rejected("nobody can drop himself: let another superuser do it", user=name)
    if user.is_superuser:
        _require_other_superuser(catalog, name)
    grants = (delete_grant(grant) for grant in catalog.grants.values() if grant.user == name)
    owned = (put_table(msgspec.structs.replace(t, owner=heir)) for t in catalog.by_number.values() if t.owner == name)
    return (delete_user(user), *grants, *owned)


def _require_other_superuser(catalog: Catalog, name: str) -> None:
    if not any(user.is_superuser for user in catalog.users.values() if user.name != name):
        raise Rejected(f"user {name!r} is the last superuser: make another one first", user=name)
