"""Requests and results about databases."""

from __future__ import annotations

from hippod.engine.operations.base import Operation, Result


class CreateDatabase(Operation, frozen=True, tag="create_database"):
    database: str


class DropDatabase(Operation, frozen=True, tag="drop_database"):
    """Refused while the database has tables, and always for `default`; what is in its trash is purged."""

    database: str


class ListDatabases(Operation, frozen=True, tag="list_databases"):
    is_read = True


class DatabaseList(Result, frozen=True):
    databases: list[str]
