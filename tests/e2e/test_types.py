"""Every data type over the wire: what is put in comes out, from both clients, before and after the server is killed and started again."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippod.testing import ServerProcess
from hippod_client import Client as AsyncClient
from hippod_client import DataType, Field, SparseVectors
from hippod_client.errors import FilterError, InvalidVector, LimitExceeded, Rejected, TypeMismatch
from hippod_client.sync import Client

ELEMENTS = [
    DataType.INT8,
    DataType.INT64,
    DataType.FLOAT,
    DataType.DOUBLE,
    DataType.BOOL,
    DataType.STRING,
    DataType.DATE,
    DataType.TIMESTAMP,
]

FIELDS = [
    Field("id", DataType.INT64, primary_key=True),
    *(Field(kind, kind, nullable=True) for kind in (DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64)),
    *(Field(kind, kind, nullable=True) for kind in (DataType.FLOAT, DataType.DOUBLE, DataType.BOOL, DataType.STRING)),
    *(Field(kind, kind, nullable=True, max_length=8) for kind in (DataType.CHAR, DataType.VARCHAR, DataType.VARCHAR2)),
    *(Field(kind, kind, nullable=True) for kind in (DataType.DATE, DataType.TIME, DataType.TIMESTAMP, DataType.DATETIME)),
    *(Field(kind, kind, nullable=True) for kind in (DataType.BINARY, DataType.BLOB, DataType.CLOB, DataType.JSON)),
    *(Field(f"array_{kind}", DataType.ARRAY, element_type=kind, nullable=True) for kind in ELEMENTS),
    Field("float_vector", DataType.FLOAT_VECTOR, dimension=3),
    Field("binary_vector", DataType.BINARY_VECTOR, dimension=16),
    Field("sparse_float_vector", DataType.SPARSE_FLOAT_VECTOR),
]
DAY_US = 86_400_000_000

ROWS: dict[str, list[Any]] = {
    "id": [1, 2, 3],
    "int8": [-128, None, 127],
    "int16": [-(2**15), None, 2**15 - 1],
    "int32": [-(2**31), None, 2**31 - 1],
    "int64": [-(2**63), None, 2**63 - 1],
    "float": [0.5, None, -(2.0**100)],
    "double": [1e-300, None, 1e300],
    "bool": [True, None, False],
    "string": ["", None, "é\0x"],
    "char": ["ab  ", None, "eight by"],
    "varchar": ["é", None, ""],
    "varchar2": ["x", None, "y"],
    "date": [datetime.date(1, 1, 1), None, datetime.date(9999, 12, 31)],
    "time": [datetime.time(), None, datetime.time(23, 59, 59, 999_999)],
    "timestamp": [datetime.datetime(1, 1, 1), None, datetime.datetime.max],
    "datetime": [datetime.datetime(1969, 12, 31, 23, 59, 59), None, datetime.datetime(2024, 5, 31, 13, 30)],
    "binary": [b"\xff\0", None, b""],
    "blob": [bytes(range(256)) * 40, None, b"\x80"],
    "clob": ["long " * 1_000, None, ""],
    "json": [{"b": [1, None, 2.5], "a": {"é": True}}, None, {}],
    "array_int8": [[1, -1], None, []],
    "array_int64": [[2**62], None, [1, 2, 3]],
    "array_float": [[0.5, 1.5], None, []],
    "array_double": [[1e300], None, []],
    "array_bool": [[True, False], None, []],
    "array_string": [["", "é"], None, []],
    "array_date": [[datetime.date(2024, 1, 1)], None, []],
    "array_timestamp": [[datetime.datetime(1970, 1, 2)], None, []],
    "float_vector": [[1.0, 2.0, 3.0], [0.5, 0.0, 0.0], [0.0, 0.0, 1.0]],
    "binary_vector": [[0, 0], [255, 1], [1, 2]],
    "sparse_float_vector": [{1: 0.5, 2**32 - 2: -1.0}, {}, {7: 1e-30}],
}
STORED: dict[str, list[Any]] = {
    **ROWS,
    "date": [-719_162, None, 2_932_896],
    "time": [0, None, DAY_US - 1],
    "timestamp": [-719_162 * DAY_US, None, 2_932_897 * DAY_US - 1],
    "datetime": [-1_000_000, None, 1_717_162_200_000_000],
    "json": ['{"a":{"é":true},"b":[1,null,2.5]}', None, "{}"],
    "array_date": [[19_723], None, []],
    "array_timestamp": [[DAY_US], None, []],
}


def columns() -> dict[str, Any]:
    vectors = {"float_vector": np.float32, "binary_vector": np.uint8}
    return {name: np.array(cells, vectors[name]) if name in vectors else cells for name, cells in ROWS.items()}


def check(found: Mapping[str, list[Any]]) -> None:
    assert set(found) == set(STORED)
    for name, cells in STORED.items():
        rounded = np.float32 if name in ("float", "sparse_float_vector") else None
        if name == "float":
            cells = [None if cell is None else float(np.float32(cell)) for cell in cells]
        if name == "sparse_float_vector" and rounded:
            cells = [{index: float(rounded(value)) for index, value in cell.items()} for cell in cells]
        assert found[name] == cells, name


async def test_every_type_comes_back_from_both_clients_and_after_a_kill(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        with Client(server.host, server.port) as client:
            client.create_table("t", FIELDS, tablets=2)
            assert [(f.name, f.type) for f in client.describe_table("t").fields] == [(f.name, f.type) for f in FIELDS]
            client.insert("t", {name: cells[:2] for name, cells in columns().items()})
            client.upsert("t", {name: cells[1:] for name, cells in columns().items()})
            check(client.get("t", [1, 2, 3]).columns.lists())
        for _ in range(2):
            async with AsyncClient(server.host, server.port) as other:
                check((await other.get("t", [1, 2, 3])).columns.lists())
                queried = await other.query("t", "id > 0", [f.name for f in FIELDS])
                check(queried.columns.lists())
                for name in ("blob", "json", "binary", "clob"):
                    assert await other.count("t", f"{name} is null") == 1
            server.kill()
            server.start()
        with Client(server.host, server.port) as client:
            changed = {"binary_vector": np.array([[9, 9]], np.uint8), "sparse_float_vector": [{4: 2.0}], "blob": [b"new"]}
            assert client.update("t", {"id": [3], **changed}).count == 1
            server.kill()
        server.start()
        with Client(server.host, server.port) as client:
            row = client.get("t", [3])[0]
            assert (row["binary_vector"], row["sparse_float_vector"], row["blob"]) == ([9, 9], {4: 2.0}, b"new")
            assert (row["float_vector"], row["clob"], row["json"]) == ([0.0, 0.0, 1.0], "", "{}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with ServerProcess(tmp_path_factory.mktemp("types") / "data") as server, Client(server.host, server.port) as client:
        client.create_table(
            "t", [*(f for f in FIELDS if f.name != "binary"), Field("binary", DataType.BINARY, max_length=4, nullable=True)]
        )
        yield client


BAD: list[tuple[str, Any, type[Exception], str]] = [
    ("binary", [b"12345"], LimitExceeded, "5 bytes, at most 4"),
    ("binary", ["text"], TypeMismatch, "takes bytes"),
    ("string", [b"bytes"], TypeMismatch, "takes strings"),
    ("json", ["{'a': 1}"], TypeMismatch, "row 0 is not JSON"),
    ("json", ["[" * 100_000 + "]" * 100_000], TypeMismatch, "nests too deep"),
    ("json", ["1e999"], TypeMismatch, "is not JSON"),
    ("char", ["nine byte"], LimitExceeded, "9 bytes, at most 8"),
    ("varchar", ["ééééé"], LimitExceeded, "10 bytes, at most 8"),
    ("time", [DAY_US], TypeMismatch, "does not fit time"),
    ("time", [-1], TypeMismatch, "does not fit time"),
    ("date", [2_932_897], TypeMismatch, "does not fit date"),
    ("datetime", [2**60], TypeMismatch, "does not fit datetime"),
    ("array_bool", [[1]], TypeMismatch, "takes bool"),
    ("array_date", [[3_000_000]], TypeMismatch, "does not fit date"),
    ("array_int8", [[1, None]], TypeMismatch, "null inside an array"),
    ("binary_vector", np.zeros((1, 3), np.uint8), InvalidVector, "dimension 16 bits, 2 bytes, not 3"),
    ("binary_vector", np.zeros((1, 2), np.float32), TypeMismatch, "takes binary vectors"),
    ("binary_vector", [[1, 256]], InvalidVector, "no byte"),
    ("binary_vector", [b"abc"], InvalidVector, "not 3"),
    ("float_vector", SparseVectors.of([{1: 1.0}]), TypeMismatch, "takes vectors"),
    ("sparse_float_vector", np.zeros((1, 3), np.float32), TypeMismatch, "takes sparse vectors"),
    ("sparse_float_vector", SparseVectors([0, 2], [3, 3], [1.0, 2.0]), InvalidVector, "ascending indices"),
    ("sparse_float_vector", [{1: float("inf")}], InvalidVector, "vector 0 of 'sparse_float_vector' holds NaN, an infinity"),
    ("sparse_float_vector", [{1: float("nan")}], InvalidVector, "NaN"),
    ("sparse_float_vector", [dict.fromkeys(range(16_385), 1.0)], LimitExceeded, "at most 16384"),
]


@pytest.mark.parametrize(("name", "cells", "error", "words"), BAD)
def test_bad_cells_are_refused_with_the_field(server: Client, name: str, cells: Any, error: type[Exception], words: str) -> None:
    row = {**{key: values[:1] for key, values in columns().items()}, name: cells}
    with pytest.raises(error, match=words):
        server.insert("t", row)
    assert server.count("t") == 0


@pytest.mark.parametrize("expression", ["json == 'x'", "blob in ['a']", "binary == string", "json like 'a%'", "'a' == blob"])
def test_bytes_and_json_are_filtered_by_null_only(server: Client, expression: str) -> None:
    with pytest.raises(FilterError, match="only test for null"):
        server.count("t", expression)


def test_clobs_are_filtered_as_strings(server: Client) -> None:
    assert server.count("t", "clob == 'x' or clob like 'a%' or clob in ['b']") == 0


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (Field("v", DataType.BINARY_VECTOR, dimension=12), "multiple of 8"),
        (Field("v", DataType.BINARY_VECTOR), "dimension from 8 to 524288"),
        (Field("v", DataType.BINARY_VECTOR, dimension=524_296), "dimension from 8 to 524288"),
        (Field("v", DataType.SPARSE_FLOAT_VECTOR, dimension=2**32), "dimension from 1 to 4294967295"),
        (Field("v", DataType.SPARSE_FLOAT_VECTOR, nullable=True), "neither nullable"),
        (Field("v", DataType.BLOB, max_length=3), "max_length"),
        (Field("v", DataType.BLOB, dimension=8), "only a vector"),
        (Field("v", DataType.JSON, default="{}"), "no default"),
        (Field("v", DataType.ARRAY, element_type=DataType.BLOB), "needs an element_type"),
        (Field("v", DataType.ARRAY, element_type=DataType.BINARY_VECTOR), "needs an element_type"),
        (Field("v", DataType.CLOB, primary_key=True), "a primary key is an int or a string"),
    ],
)
def test_fields_that_cannot_be_are_refused(server: Client, field: Field, words: str) -> None:
    fields = [field] if field.primary_key else [Field("id", DataType.INT64, primary_key=True), field]
    with pytest.raises(Rejected, match=words):
        server.create_table("bad", fields)


def test_a_sparse_field_may_bound_its_indices(server: Client) -> None:
    fields = [Field("id", DataType.INT64, primary_key=True), Field("v", DataType.SPARSE_FLOAT_VECTOR, dimension=10)]
    server.create_table("bounded", fields)
    server.insert("bounded", {"id": [1], "v": [{9: 1.0}]})
    with pytest.raises(InvalidVector, match="vector 1 of 'v' has an index above 9"):
        server.insert("bounded", {"id": [2, 3], "v": [{9: 1.0}, {10: 1.0}]})


def test_a_column_of_nulls_fits_every_type(server: Client) -> None:
    server.create_table("nulls", FIELDS)
    row = {name: [None] if None in cells else columns()[name][:1] for name, cells in ROWS.items()}
    server.insert("nulls", row)
    found = server.get("nulls", [1])[0]
    assert all(found[name] is None for name, cells in ROWS.items() if None in cells)
