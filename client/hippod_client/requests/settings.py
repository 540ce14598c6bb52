"""Settings of tables."""

from __future__ import annotations

from collections.abc import Mapping

from hippod_client.definitions import SettingValue
from hippod_client.requests.base import Reply, Request, done


def change_settings(database: str, table: str, settings: Mapping[str, SettingValue | None]) -> Request[None]:
    return Request({"op": "change_settings", "table": table, "settings": dict(settings), "database": database}, done)


def get_settings(database: str, table: str) -> Request[dict[str, SettingValue]]:
    return Request({"op": "get_settings", "pattern": table, "database": database}, _settings, is_read=True)


def _settings(reply: Reply) -> dict[str, SettingValue]:
    return dict(reply["tables"][0]["settings"])
