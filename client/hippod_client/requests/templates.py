"""Templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hippod_client.definitions import SettingValue, TemplateInfo
from hippod_client.requests.base import Reply, Request, done


def put_template(
    template: str,
    patterns: Sequence[str],
    order: int,
    settings: Mapping[str, SettingValue] | None,
    indexes: Sequence[Mapping[str, Any]],
) -> Request[None]:
    body = {"op": "put_template", "template": template, "patterns": list(patterns), "order": order}
    return Request({**body, "settings": dict(settings or {}), "indexes": [dict(index) for index in indexes]}, done)


def drop_template(template: str) -> Request[None]:
    return Request({"op": "drop_template", "template": template}, done)


def list_templates(pattern: str) -> Request[list[TemplateInfo]]:
    return Request({"op": "list_templates", "pattern": pattern}, _templates, is_read=True)


def _templates(reply: Reply) -> list[TemplateInfo]:
    return list(map(TemplateInfo.of, reply["templates"]))
