"""Fields of a table that exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hippod_client.requests.base import Request, done
from hippod_client.schema import Field


def add_fields(database: str, table: str, fields: Iterable[Field]) -> Request[None]:
    return Request({"op": "add_fields", "table": table, "fields": [field.to_wire() for field in fields], "database": database}, done)


def drop_fields(database: str, table: str, fields: Sequence[str]) -> Request[None]:
    return Request({"op": "drop_fields", "table": table, "fields": list(fields), "database": database}, done)


def rename_fields(database: str, table: str, names: Mapping[str, str]) -> Request[None]:
    return Request({"op": "rename_fields", "table": table, "names": dict(names), "database": database}, done)
