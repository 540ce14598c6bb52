"""One search over several tables: each is searched as by itself, and the best of all are kept, exactly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column, Values, concat_values, take_values
from hippod.engine.index.pool import SearchPool
from hippod.engine.normalize import null_column
from hippod.engine.operations import Metric, MultiSearch, MultiSearchResult, Search, SearchResult
from hippod.engine.operations.queries import HITS_MAX, K_MAX
from hippod.engine.schema import Field
from hippod.engine.search import search
from hippod.engine.table import Table
from hippod.errors import FieldNotFound, IndexNotFound, LimitExceeded, NotFound, Rejected, TypeMismatch, WrongState


class _Asked(NamedTuple):
    """A table that takes part: which of the output fields it has, and its metric."""

    table: Table
    fields: dict[str, Field]
    metric: Metric


async def search_tables(tables: Sequence[Table], operation: MultiSearch, pool: SearchPool) -> MultiSearchResult:
    """Raises Rejected and its descendants before anything is done, NotFound if no table can be searched."""
    asked = _able(tables, operation)
    if len({one.metric for one in asked}) > 1:
        named = ", ".join(f"{one.table.definition.name} ({one.metric})" for one in asked[:4])
        raise Rejected(f"tables with indexes of different metrics cannot be searched together: {named}")
    if operation.offset < 0:
        raise LimitExceeded(f"offset is 0 or more, not {operation.offset}", limit=0)
    if operation.offset + operation.k > K_MAX:
        raise LimitExceeded(f"offset + k is at most {K_MAX}, not {operation.offset + operation.k}", limit=K_MAX)
    wanted = len(operation.vectors) * (operation.offset + operation.k) * len(asked)
    if wanted > HITS_MAX:
        raise LimitExceeded(f"queries times offset + k times tables is at most {HITS_MAX}, not {wanted}", limit=HITS_MAX)
    names = _output_names(asked, operation)
    futures = [search(one.table, _single(one, operation), pool) for one in asked]
    try:
        results = await asyncio.gather(*futures)
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return await pool.run(_merged, asked, results, names, operation.offset, operation.k)


def _able(tables: Sequence[Table], operation: MultiSearch) -> list[_Asked]:
    able: list[_Asked] = []
    why: NotFound | WrongState | None = None
    for table in tables:
        try:
            field = table.vector_field(operation.field)
            index = table.searchable_index(field, operation.index)
        except (FieldNotFound, IndexNotFound, WrongState) as error:
            why = error
            continue
        key = table.schema.primary_key
        names = (key.name,) if operation.output_fields is None else operation.output_fields
        able.append(_Asked(table, {f.name: f for f in table.schema.fields if f.name in names}, index.metric))
    if not able:
        raise NotFound(f"none of {len(tables)} tables can be searched" + ("" if why is None else f", the last because: {why.message}"))
    return able


def _output_names(asked: Sequence[_Asked], operation: MultiSearch) -> list[str]:
    """The fields of the answer. Raises FieldNotFound for one that no table has, TypeMismatch if their types do not go together."""
    names = operation.output_fields
    if names is None:
        names = list(dict.fromkeys(one.table.schema.primary_key.name for one in asked))
    if len(set(names)) != len(names):
        raise Rejected("output_fields names a field twice")
    for name in names:
        found = [one.fields[name] for one in asked if name in one.fields]
        if not found:
            raise FieldNotFound(f"no field {name[:128]!r} in any of the tables", field=name[:128])
        if len({_form(field) for field in found}) > 1:
            raise TypeMismatch(f"field {name!r} is of different types in the tables", field=name)
        if found[0].is_vector and len(found) < len(asked):
            raise FieldNotFound(f"the vector field {name!r} is not in all of the tables", field=name)
    return names


def _form(field: Field) -> tuple[object, ...]:
    """Cells of one form can stand in one column."""
    if field.is_vector:
        return field.type, field.dimension
    if field.type.is_string:
        return ("string",)
    return field.type, field.element_type


def _single(one: _Asked, operation: MultiSearch) -> Search:
    return Search(
        table=one.table.definition.name,
        vectors=operation.vectors,
        k=operation.offset + operation.k,
        field=operation.field,
        filter=operation.filter,
        output_fields=list(one.fields),
        index=operation.index,
        params=operation.params,
        radius=operation.radius,
    )


def _merged(asked: Sequence[_Asked], results: Sequence[SearchResult], names: Sequence[str], offset: int, k: int) -> MultiSearchResult:
    """The k best of each query from the offset on; runs in the search pool."""
    queries = len(results[0].counts)
    scores = np.concatenate([result.scores for result in results])
    query_of = np.concatenate([np.repeat(np.arange(queries), result.counts) for result in results])
    origins = np.repeat(np.arange(len(results), dtype=np.int32), [len(result.scores) for result in results])
    order = np.lexsort((scores if asked[0].metric.is_distance else -scores, query_of))
    found = np.bincount(query_of, minlength=queries)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(found) - found, found)
    kept = order[(rank >= offset) & (rank < offset + k)]
    columns = [_column(name, asked, results, kept) for name in names]
    labels = [f"{d.database}#{d.name}@{d.id}" for d in (one.table.definition for one in asked)]
    return MultiSearchResult(np.clip(found - offset, 0, k).astype(np.int32), scores[kept], columns, labels, origins[kept])


def _column(name: str, asked: Sequence[_Asked], results: Sequence[SearchResult], kept: npt.NDArray[np.intp]) -> Column:
    field = next(one.fields[name] for one in asked if name in one.fields)
    values: list[Values] = []
    valid: list[npt.NDArray[np.bool_]] = []
    for one, result in zip(asked, results, strict=True):
        rows = len(result.scores)
        if name in one.fields:
            column = next(c for c in result.columns if c.field == name)
            values.append(column.values)
            valid.append(np.ones(rows, np.bool_) if column.valid is None else column.valid)
        else:
            nulls = null_column(field, rows)
            values.append(nulls.values)
            valid.append(np.zeros(rows, np.bool_))
    mask = np.concatenate(valid)[kept]
    return Column(name, take_values(concat_values(values), kept), None if mask.all() else mask)
