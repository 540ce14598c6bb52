"""Routes of templates."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hippod.engine.operations import DropTemplate, IndexType, ListTemplates, PutTemplate, TemplateIndex, TemplateInfo, TemplateList
from hippod.engine.operations.settings import SettingValue
from hippod.net.rest.body import Body, NoBody, Query
from hippod.net.rest.envelope import Acknowledged
from hippod.net.rest.routes import Call, Route
from hippod.net.rest.settings import SettingsBody


class TemplateIndexBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An embedding index that new tables get, not yet activated."""

    field_name: str
    index_name: str
    index_type: str = IndexType.AUTO.value
    metric_type: str | None = None
    params: dict[str, Any] = {}


class TemplateBody(Body, frozen=True):
    """`number_of_replicas` is a short form of the setting. `shared_storage` says where replicas lie; one node has none."""

    patterns: list[str]
    order: int | None = None
    number_of_replicas: int | None = None
    settings: SettingsBody | None = None
    shared_storage: bool | None = None
    embedding_indexes: list[TemplateIndexBody] | None = None


class TemplateView(msgspec.Struct, frozen=True):
    patterns: list[str]
    order: int
    settings: dict[str, SettingValue]
    embedding_indexes: list[TemplateIndexBody]


TemplatesAnswer = dict[str, TemplateView]


async def put_template(call: Call[Query, TemplateBody]) -> Acknowledged:
    body = call.body
    settings = {} if body.settings is None else body.settings.given()
    if body.number_of_replicas is not None:
        settings["number_of_replicas"] = body.number_of_replicas
    indexes = [TemplateIndex(i.index_name, i.field_name, i.index_type, i.metric_type, i.params) for i in body.embedding_indexes or ()]
    await call.execute(PutTemplate(call.path["template"], body.patterns, body.order or 0, settings, indexes))
    return Acknowledged()


async def drop_template(call: Call[Query, NoBody]) -> Acknowledged:
    await call.execute(DropTemplate(call.path["template"]))
    return Acknowledged()


async def list_templates(call: Call[Query, NoBody]) -> TemplatesAnswer:
    found: TemplateList = await call.execute(ListTemplates(call.path.get("template", "*")))
    return {template.template: _view(template) for template in found.templates}


def _view(template: TemplateInfo) -> TemplateView:
    indexes = [TemplateIndexBody(i.field, i.index, i.type, i.metric, i.params) for i in template.indexes]
    return TemplateView(template.patterns, template.order, template.settings, indexes)


async def list_all_templates(call: Call[Query, NoBody]) -> TemplatesAnswer:
    return await list_templates(call)


ROUTES: Final = (
    Route("PUT", "/_template/{template}", put_template, "Make or replace a template"),
    Route("DELETE", "/_template/{template}", drop_template, "Remove a template"),
    Route("GET", "/_template/{template}", list_templates, "The templates that a name or a pattern means"),
    Route("GET", "/_template", list_all_templates, "All templates"),
)
