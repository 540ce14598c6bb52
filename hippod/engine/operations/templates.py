"""Requests and results about templates: what tables get at their creation, by their names."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hippod.engine.operations.base import Operation, Result
from hippod.engine.operations.settings import SettingValue

ORDER_MAX: Final = 1_000_000


class TemplateIndex(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vector index that new tables get, not yet activated; `type`, `metric` and `params` as in create_index."""

    index: str
    field: str
    type: str = "AUTO"
    metric: str | None = None
    params: dict[str, Any] = {}


class PutTemplate(Operation, frozen=True, tag="put_template"):
    """Make a template, or replace the one of that name. Tables of all databases that are created from then on, and whose name matches one
    of `patterns` (names with `*`), get its settings and indexes.

    Of several templates that match, the one with the highest `order` (0 to ORDER_MAX) holds where they differ, of equal ones the last by
    name; what the request that creates the table says holds over all. A table without a field that an index needs is not created.
    """

    template: str
    patterns: list[str]
    order: int = 0
    settings: dict[str, SettingValue | None] = {}
    indexes: list[TemplateIndex] = []


class DropTemplate(Operation, frozen=True, tag="drop_template"):
    """Remove a template. Tables that were created with it stay as they are."""

    template: str


class ListTemplates(Operation, frozen=True, tag="list_templates"):
    """The templates whose name matches `pattern` (names with `*`, separated by commas). A name without `*` must exist."""

    is_read = True
    pattern: str = "*"


class TemplateInfo(msgspec.Struct, frozen=True):
    """One template, as it was put."""

    template: str
    patterns: list[str]
    order: int
    settings: dict[str, SettingValue]
    indexes: list[TemplateIndex]


class TemplateList(Result, frozen=True):
    """In the order in which they are applied: by `order`, then by name."""

    templates: list[TemplateInfo]
