"""What a search asks for, apart from its vectors: checked once, and known again while its table stays as it is."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hippod.engine.group_ranking import grouping_field
from hippod.engine.operations import IndexState, Search
from hippod.engine.operations.queries import K_MAX
from hippod.engine.ranges import Window, rows_wanted
from hippod.engine.schema import Field
from hippod.errors import LimitExceeded

if TYPE_CHECKING:
    from hippod.engine.catalog import IndexDefinition, TableDefinition
    from hippod.engine.table import Table

_KNOWN_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class SearchShape:
    """`definition` is the index that answers; `k` rows of the ranking are wanted, of which `window` is the answer; `fields` come with the
    hits, `key` among them, and are `cells` scalar cells and `vector_bytes` for each query."""

    field: Field
    definition: IndexDefinition
    k: int
    window: Window
    fields: tuple[Field, ...]
    key: str
    grouping: Field | None
    cells: int
    vector_bytes: int


class SearchShapes:
    """The shapes of a table's latest searches, which are the same again and again. Forgotten when the definition of the table changes."""

    def __init__(self) -> None:
        self._definition: TableDefinition | None = None
        self._known: dict[Hashable, SearchShape] = {}

    def of(self, table: Table, operation: Search) -> SearchShape:
        """Raises Rejected and its descendants."""
        if self._definition is not table.definition:
            self._definition = table.definition
            self._known = {}
        names = operation.output_fields
        key = (
            operation.field,
            operation.index,
            operation.k,
            operation.offset,
            operation.radius,
            operation.group_by,
            operation.group_size,
            None if names is None else tuple(names),
        )
        found = self._known.get(key)
        if found is None:
            found = _shape(table, operation)
            # Any other state of an index changes without the definition.
            if table.state_of(found.definition) is IndexState.ACTIVE:
                if len(self._known) >= _KNOWN_MAX:
                    self._known.clear()
                self._known[key] = found
        return found


def _shape(table: Table, operation: Search) -> SearchShape:
    field = table.vector_field(operation.field)
    definition = table.searchable_index(field, operation.index)
    if not 1 <= operation.k <= K_MAX:
        raise LimitExceeded(f"k is from 1 to {K_MAX}, not {operation.k}", limit=K_MAX)
    k = rows_wanted(operation)
    key = table.schema.primary_key
    asked = table.output_fields(operation.output_fields, (key,))
    fields = asked if key in asked else (key, *asked)
    grouping = None if operation.group_by is None else grouping_field(table.schema, operation.group_by)
    if grouping is not None and grouping not in fields:
        fields = (*fields, grouping)
    window = Window(operation.offset, operation.radius, not definition.metric.is_distance)
    cells = k * sum(not f.is_vector for f in fields)
    vector_bytes = k * sum(f.vector_bytes for f in fields if f.is_vector)
    return SearchShape(field, definition, k, window, fields, key.name, grouping, cells, vector_bytes)
