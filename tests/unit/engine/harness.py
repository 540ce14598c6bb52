"""What engine tests share: an engine on real files, short forms of operations, and a table to try things on."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hippod.engine.access import Principal
from hippod.engine.arrays import Column, ListArray, StringArray
from hippod.engine.engine import Engine
from hippod.engine.index.options import IndexOptions
from hippod.engine.operations import CreateTable, Insert, Operation
from hippod.engine.options import EngineOptions
from hippod.engine.schema import DataType, Field, Schema

SHIVA = Principal("shiva")

BOOKS = Schema(
    fields=(
        Field("id", DataType.INT64, primary_key=True),
        Field("title", DataType.VARCHAR, max_length=100),
        Field("pages", DataType.INT32, nullable=True),
        Field("price", DataType.DOUBLE, default=9.5),
        Field("tags", DataType.ARRAY, element_type=DataType.STRING, nullable=True),
        Field("v", DataType.FLOAT_VECTOR, dimension=4),
    )
)


def options(path: Path, **changes: Any) -> EngineOptions:
    return EngineOptions(data_dir=path, free_bytes_min=0, index=IndexOptions(train_rows_min=1_000_000), **changes)


def crash_copy(path: Path) -> Path:
    """What a crash of now would leave of the directory of an engine that runs, as a directory of its own."""
    copy = path.with_name(f"{path.name}-crashed-{len(list(path.parent.iterdir()))}")
    shutil.copytree(path, copy, ignore=shutil.ignore_patterns("vectors"))
    return copy


@asynccontextmanager
async def opened(path: Path, **changes: Any) -> AsyncIterator[Engine]:
    engine = await Engine.open(options(path, **changes))
    try:
        yield engine
    finally:
        await engine.close()


async def run(engine: Engine, operation: Operation) -> Any:
    return await engine.execute(operation, SHIVA)


def column(name: str, values: Any, valid: Sequence[bool] | None = None) -> Column:
    mask = None if valid is None else np.array(valid, np.bool_)
    if isinstance(values, np.ndarray | StringArray | ListArray):
        return Column(name, values, mask)
    if values and isinstance(values[0], str):
        return Column(name, StringArray.of(values), mask)
    if values and isinstance(values[0], list):
        offsets = np.cumsum([0, *map(len, values)]).astype(np.int64)
        flat = [cell for row in values for cell in row]
        return Column(name, ListArray(offsets, StringArray.of(flat)), mask)
    return Column(name, np.array(values), mask)


def vectors(*rows: Sequence[float]) -> npt.NDArray[np.float32]:
    return np.array(rows, np.float32)


def book_columns(ids: Sequence[int], **others: Any) -> list[Column]:
    columns: Mapping[str, Any] = {
        "id": list(ids),
        "title": [f"book {i}" for i in ids],
        "v": vectors(*([float(i), 1.0, 0.0, 0.0] for i in ids)),
        **others,
    }
    return [column(name, values) for name, values in columns.items() if values is not None]


async def make_books(engine: Engine, count: int = 0, tablets: int = 1) -> None:
    await run(engine, CreateTable("books", BOOKS, tablets=tablets))
    if count:
        await run(engine, Insert("books", book_columns(range(count))))


def cells(columns: Sequence[Column], name: str) -> list[Any]:
    """A column of an answer as Python values, None where null."""
    found = next(c for c in columns if c.field == name)
    values = found.values.tolist() if isinstance(found.values, np.ndarray) else found.values.to_list()
    return values if found.valid is None else [v if ok else None for v, ok in zip(values, found.valid.tolist(), strict=True)]
