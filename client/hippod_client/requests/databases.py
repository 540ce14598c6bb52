"""Databases."""

from __future__ import annotations

from hippod_client.requests.base import Reply, Request, done


def create_database(database: str) -> Request[None]:
    return Request({"op": "create_database", "database": database}, done)


def drop_database(database: str) -> Request[None]:
    return Request({"op": "drop_database", "database": database}, done)


def list_databases() -> Request[list[str]]:
    return Request({"op": "list_databases"}, _databases, is_read=True)


def _databases(reply: Reply) -> list[str]:
    return list(reply["databases"])
