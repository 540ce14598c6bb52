"""Requests and results about databases."""

from __future__ import annotations

from hippod.engine.operations.base import Operation, Result


class CreateDatabase(Operation, frozen=True, tag="create_database"):
    """Make an empty database; who makes it has ALL on it. ALREADY_EXISTS if there is one of that name."""

    database: str


class DropDatabase(Operation, frozen=True, tag="drop_database"):
    """Remove a database. Refused while it has tables, and always for `default`; what is in its trash is purged."""

    database: str


class ListDatabases(Operation, frozen=True, tag="list_databases"):
    """The names of all databases."""

    is_read = True


class DatabaseList(Result, frozen=True):
    """Names in alphabetical order."""

    databases: list[str]
