"""Operations on templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hippod.engine.catalog import templates
from hippod.engine.operations import Done, DropTemplate, ListTemplates, PutTemplate, TemplateInfo, TemplateList
from hippod.engine.patterns import check_patterns, name_matcher

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


async def put_template(engine: Engine, operation: PutTemplate, deadline: float | None) -> Done:
    await engine.change_catalog(lambda: templates.put(engine.catalog, operation), deadline)
    return Done()


async def drop_template(engine: Engine, operation: DropTemplate, deadline: float | None) -> Done:
    await engine.change_catalog(lambda: templates.drop(engine.catalog, operation.template), deadline)
    return Done()


def list_templates(engine: Engine, operation: ListTemplates, _deadline: float | None) -> TemplateList:
    parts = check_patterns(operation.pattern)
    for part in parts:
        if "*" not in part:
            engine.catalog.template(part)
    means = name_matcher(parts)
    found = templates.in_order([template for name, template in engine.catalog.templates.items() if means(name)])
    return TemplateList([TemplateInfo(t.name, list(t.patterns), t.order, t.settings, list(t.indexes)) for t in found])
