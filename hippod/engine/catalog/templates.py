"""Changes of templates, and what a new table gets of them. Each function raises Rejected or a descendant, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from hippod.engine.catalog.catalog import Catalog
from hippod.engine.catalog.documents import Changes, IndexDefinition, TableDefinition, Template, delete_template, put_template
from hippod.engine.catalog.indexes import with_index
from hippod.engine.catalog.settings import checked_settings, with_settings
from hippod.engine.index.parameters import check_storable
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.suitable import check_possible
from hippod.engine.operations.templates import ORDER_MAX, PutTemplate, TemplateIndex
from hippod.engine.patterns import PATTERNS_MAX, check_patterns, name_matcher
from hippod.engine.schema import Field, check_name
from hippod.errors import FieldNotFound, LimitExceeded, Rejected

TEMPLATES_MAX: Final = 1_000
TEMPLATE_INDEXES_MAX: Final = 64


def put(catalog: Catalog, wanted: PutTemplate) -> Changes:
    check_name("template", wanted.template)
    if not 1 <= len(wanted.patterns) <= PATTERNS_MAX:
        raise LimitExceeded(f"a template has 1 to {PATTERNS_MAX} patterns, not {len(wanted.patterns)}", limit=PATTERNS_MAX)
    if not 0 <= wanted.order <= ORDER_MAX:
        raise LimitExceeded(f"the order of a template is from 0 to {ORDER_MAX}, not {wanted.order}", limit=ORDER_MAX)
    if len(wanted.indexes) > TEMPLATE_INDEXES_MAX:
        raise LimitExceeded(f"a template has at most {TEMPLATE_INDEXES_MAX} indexes", limit=TEMPLATE_INDEXES_MAX)
    if wanted.template not in catalog.templates and len(catalog.templates) >= TEMPLATES_MAX:
        raise LimitExceeded(f"there are {TEMPLATES_MAX} templates already, the most allowed", limit=TEMPLATES_MAX)
    seen: set[str] = set()
    for index in wanted.indexes:
        check_name("index", index.index)
        check_name("field", index.field)
        if index.index in seen:
            raise Rejected(f"index {index.index!r} is declared twice", index=index.index)
        seen.add(index.index)
        with _of_index(f"index {index.index!r}"):
            check_possible(index.type, index.metric)
        check_storable(index.params)
    patterns = tuple(part for pattern in wanted.patterns for part in check_patterns(pattern))
    settings = checked_settings(wanted.settings)
    return (put_template(Template(wanted.template, patterns, wanted.order, settings, tuple(wanted.indexes))),)


def drop(catalog: Catalog, name: str) -> Changes:
    return (delete_template(catalog.template(name)),)


def in_order(templates: Sequence[Template]) -> list[Template]:
    """As they are applied: what comes later holds."""
    return sorted(templates, key=lambda template: (template.order, template.name))


def templated(catalog: Catalog, table: TableDefinition) -> TableDefinition:
    """A new table with what the templates give it."""
    indexes: dict[str, tuple[Template, TemplateIndex]] = {}
    for template in in_order([t for t in catalog.templates.values() if name_matcher(t.patterns)(table.name)]):
        table = with_settings(table, template.settings)
        indexes |= {index.index: (template, index) for index in template.indexes}
    for template, index in indexes.values():
        field = _vector_field(template, table, index)
        with _of_index(f"template {template.name!r} gives table {table.name!r} the index {index.index!r}"):
            spec = IndexSpec.of(index.type, index.metric, index.params, field)
        table = with_index(table, IndexDefinition(index.index, field.number, spec.type, spec.metric, index.params, number=0))
    return table


@contextmanager
def _of_index(which: str) -> Iterator[None]:
    """Say of an index that is refused which one it is: nobody may have named it in the request."""
    try:
        yield
    except Rejected as error:
        raise Rejected(f"{which}: {error.message}", **error.details) from None


def _vector_field(template: Template, table: TableDefinition, index: TemplateIndex) -> Field:
    for field in table.schema.vector_fields:
        if field.name == index.field:
            return field
    raise FieldNotFound(
        f"template {template.name!r} gives table {table.name!r} the index {index.index!r}, but it has no vector field {index.field!r}",
        field=index.field,
        template=template.name,
    )
