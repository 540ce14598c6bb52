"""Aliases."""

from __future__ import annotations

from typing import Any

from hippod_client.definitions import AliasInfo
from hippod_client.requests.base import Reply, Request, done


def add_alias(database: str, alias: str, table: str, is_write_table: bool | None) -> Request[None]:
    return _change({"action": "add", "alias": alias, "table": table, "is_write_table": is_write_table, "database": database})


def remove_alias(database: str, alias: str, table: str) -> Request[None]:
    return _change({"action": "remove", "alias": alias, "table": table, "database": database})


def _change(action: dict[str, Any]) -> Request[None]:
    return Request({"op": "change_aliases", "actions": [action]}, done)


def drop_alias(database: str, alias: str) -> Request[None]:
    return Request({"op": "drop_alias", "alias": alias, "database": database}, done)


def list_aliases(database: str, pattern: str) -> Request[list[AliasInfo]]:
    return Request({"op": "list_aliases", "pattern": pattern, "database": database}, _aliases, is_read=True)


def _aliases(reply: Reply) -> list[AliasInfo]:
    return list(map(AliasInfo.of, reply["aliases"]))
