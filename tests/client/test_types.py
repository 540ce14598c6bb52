"""Every type of field, through both clients: what is written comes back, from arrays and from lists, with nulls and without."""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

import numpy as np
import pytest

from hippod_client import Client, DataType, Field, SparseVectors
from hippod_client.errors import InvalidVector, LimitExceeded, Rejected, TypeMismatch
from hippod_client.temporal import to_dates, to_datetimes, to_times

UTC = datetime.UTC


class Example(NamedTuple):
    """`field` without a name; `array` and `cells` are the same three rows, `read` what comes back of them.

    `wrong`: rows that the type refuses.
    """

    field: dict[str, Any]
    array: Any
    cells: list[Any]
    read: list[Any]
    wrong: Any


def integers(bits: int) -> Example:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    dtype = np.dtype(f"i{bits // 8}")
    wrong = [0, high + 1, 0] if bits < 64 else [0.5, 1.0, 2.0]
    return Example({}, np.array([low, 0, high], dtype), [low, 0, high], [low, 0, high], wrong)


def strings(**field: Any) -> Example:
    cells = ["", "héllo ✓", "a\x00b"]
    return Example(field, np.array(cells, object), cells, cells, [1, 2, 3] if not field else ["x" * 21, "", ""])


DAYS = [datetime.date(1970, 1, 1), datetime.date(2024, 2, 29), datetime.date(1901, 5, 7)]
MOMENTS = [datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime.datetime(2024, 2, 29, tzinfo=UTC), datetime.datetime.min]
EPOCH = datetime.datetime(1970, 1, 1)
MOMENT_NUMBERS = [(m.replace(tzinfo=None) - EPOCH) // datetime.timedelta(microseconds=1) for m in MOMENTS]
TIMES = [datetime.time(), datetime.time(23, 59, 59, 999_999), datetime.time(1, 2, 3, 4)]
TIME_NUMBERS = [0, 86_399_999_999, 3_723_000_004]
BYTES = [b"", b"\xff\0", b"abc"]
DOCUMENTS: list[Any] = [{"b": None, "a": [1, "é"]}, {}, {}]
BITS = [[0, 255], [128, 1], [0, 0]]
ENTRIES: list[Any] = [{2**32 - 2: -1.5, 7: 0.5}, {}, {0: 1.0}]
VECTORS = [[1.0, -2.5], [0.0, 0.0], [3.4e38, 1e-30]]
MOMENT = Example({}, np.array([m.replace(tzinfo=None) for m in MOMENTS], "M8[us]"), MOMENTS, MOMENT_NUMBERS, ["now", "then", "never"])

EXAMPLES: dict[DataType, Example] = {
    DataType.INT8: integers(8),
    DataType.INT16: integers(16),
    DataType.INT32: integers(32),
    DataType.INT64: integers(64),
    DataType.FLOAT: Example({}, np.array([0.5, -1e30, 0.0], np.float32), [0.5, -1e30, 0], [0.5, np.float32(-1e30), 0.0], [0.0, np.nan, 0]),
    DataType.DOUBLE: Example({}, np.array([0.1, -1e300, 0.0]), [0.1, -1e300, 0], [0.1, -1e300, 0.0], [np.inf, 0.0, 0.0]),
    DataType.BOOL: Example({}, np.array([True, False, True]), [True, False, True], [True, False, True], [0, 1, 0]),
    DataType.STRING: strings(),
    DataType.CHAR: strings(max_length=20),
    DataType.VARCHAR: strings(max_length=20),
    DataType.VARCHAR2: strings(max_length=20),
    DataType.DATE: Example({}, np.array(DAYS, "M8[D]"), DAYS, [(d - DAYS[0]).days for d in DAYS], [2**31, 0, 0]),
    DataType.TIME: Example({}, np.array(TIME_NUMBERS, "m8[us]"), TIMES, TIME_NUMBERS, ["1:00", "2:00", "3:00"]),
    DataType.TIMESTAMP: MOMENT,
    DataType.DATETIME: MOMENT,
    DataType.ARRAY: Example(
        {"element_type": DataType.INT16, "max_capacity": 3},
        [np.array([1, 2, 3]), np.array([], int), np.array([-9])],
        [[1, 2, 3], [], [-9]],
        [[1, 2, 3], [], [-9]],
        [[1, 2, 3, 4], [], []],
    ),
    DataType.FLOAT_VECTOR: Example(
        {"dimension": 2}, np.array(VECTORS, np.float32), VECTORS, np.array(VECTORS, np.float32).tolist(), np.full((3, 2), np.nan)
    ),
    DataType.BINARY: Example({"max_length": 3}, np.array(BYTES, object), BYTES, BYTES, [b"", b"", b"1234"]),
    DataType.BLOB: Example({}, np.array(BYTES, object), BYTES, BYTES, ["a", "b", "c"]),
    DataType.CLOB: strings(),
    DataType.JSON: Example({}, np.array(DOCUMENTS, object), DOCUMENTS, ['{"a":[1,"é"],"b":null}', "{}", "{}"], ["{", "1", "2"]),
    DataType.BINARY_VECTOR: Example(
        {"dimension": 16}, np.unpackbits(np.array(BITS, np.uint8), axis=1).astype(bool), BITS, BITS, np.zeros((3, 3), np.uint8)
    ),
    DataType.SPARSE_FLOAT_VECTOR: Example({}, SparseVectors.of(ENTRIES), ENTRIES, ENTRIES, [{1: np.inf}, {}, {}]),
}
VECTOR_TYPES = {DataType.FLOAT_VECTOR, DataType.BINARY_VECTOR, DataType.SPARSE_FLOAT_VECTOR}
NULLABLE = sorted(set(DataType) - VECTOR_TYPES)
ELEMENTS = sorted(set(NULLABLE) - {DataType.ARRAY, DataType.BINARY, DataType.BLOB, DataType.CLOB, DataType.JSON})


async def table_of(client: Client, kind: DataType, **options: Any) -> None:
    await client.create_table("t", [Field("id", DataType.INT64, primary_key=True), Field("f", kind, **EXAMPLES[kind].field, **options)])


def plain(cells: Any) -> list[Any]:
    return list(cells) if isinstance(cells, list) else list(cells.tolist())


@pytest.mark.parametrize("data_type", list(DataType))
async def test_what_is_written_comes_back(both: Client, data_type: DataType) -> None:
    example = EXAMPLES[data_type]
    await table_of(both, data_type)
    await both.insert("t", {"id": [0, 1, 2], "f": example.array})
    await both.insert("t", {"id": np.array([3, 4, 5]), "f": example.cells})
    for rows in (await both.get("t", range(6)), await both.query("t", "", ["id", "f"])):
        assert plain(rows.column("id")) == list(range(6))
        assert plain(rows.column("f")) == example.read * 2
    assert [field.type for field in (await both.describe_table("t")).fields] == [DataType.INT64, data_type]


@pytest.mark.parametrize("data_type", NULLABLE)
async def test_nulls_come_back_as_nulls(both: Client, data_type: DataType) -> None:
    example = EXAMPLES[data_type]
    await table_of(both, data_type, nullable=True)
    await both.insert("t", {"id": [0, 1, 2], "f": [example.cells[0], None, example.cells[2]]})
    await both.insert("t", {"id": [3, 4], "f": [None, None]})
    await both.insert("t", {"id": [5]})
    wanted = [example.read[0], None, example.read[2], None, None, None]
    rows = await both.query("t", "", ["id", "f"])
    assert plain(rows.column("f")) == wanted
    assert [row["f"] for row in rows] == wanted
    assert plain((await both.query("t", "f is null", ["id"])).column("id")) == [1, 3, 4, 5]


async def test_masked_arrays_and_nat_are_null(both: Client) -> None:
    await both.create_table(
        "t", [Field("id", "int64", primary_key=True), Field("n", "int32", nullable=True), Field("d", "date", nullable=True)]
    )
    await both.insert(
        "t", {"id": [1, 2], "n": np.ma.MaskedArray([5, 6], mask=[True, False]), "d": np.array(["2024-02-29", "NaT"], "M8[D]")}
    )
    rows = await both.get("t", [1, 2])
    assert isinstance(rows.column("n"), np.ma.MaskedArray)
    assert plain(rows.column("n")) == [None, 6]
    assert to_dates(rows.column("d")).astype(object).tolist() == [datetime.date(2024, 2, 29), None]


@pytest.mark.parametrize("data_type", list(DataType))
async def test_what_does_not_fit_is_refused_and_nothing_of_it_is_kept(both: Client, data_type: DataType) -> None:
    await table_of(both, data_type)
    with pytest.raises((TypeMismatch, LimitExceeded, InvalidVector)) as raised:
        await both.insert("t", {"id": [0, 1, 2], "f": EXAMPLES[data_type].wrong})
    assert raised.value.details["field"] == "f"
    assert await both.count("t") == 0


@pytest.mark.parametrize("data_type", list(DataType))
async def test_a_null_where_none_may_be_is_refused(both: Client, data_type: DataType) -> None:
    await table_of(both, data_type)
    with pytest.raises((Rejected, TypeMismatch)):
        await both.insert("t", {"id": [0, 1], "f": [EXAMPLES[data_type].cells[0], None]})
    with pytest.raises(Rejected, match="required"):
        await both.insert("t", {"id": [0, 1]})
    assert await both.count("t") == 0


async def test_arrays_of_every_element_type_come_back(both: Client) -> None:
    elements = {kind: EXAMPLES[kind] for kind in ELEMENTS if "char" not in kind}
    fields = [Field("id", "string", primary_key=True), *(Field(f"of_{kind}", "array", element_type=kind) for kind in elements)]
    await both.create_table("t", fields)
    sent = {f"of_{kind}": [example.cells, []] for kind, example in elements.items()}
    await both.insert("t", {"id": ["a", "b"], **sent})
    rows = await both.get("t", ["b", "a"])
    for kind, example in elements.items():
        assert rows.column(f"of_{kind}") == [[], example.read], kind


@pytest.mark.parametrize("data_type", ["int8", "int16", "int32", "int64", "string", "varchar"])
async def test_keys_of_every_type_are_found(both: Client, data_type: str) -> None:
    is_string = data_type in ("string", "varchar")
    keys: list[Any] = ["", "a", "é" * 200] if is_string else [-128, 0, 127]
    await both.create_table("t", [Field("k", data_type, primary_key=True, max_length=400 if data_type == "varchar" else None)])
    await both.insert("t", {"k": keys})
    assert plain((await both.get("t", keys[::-1])).column("k")) == keys[::-1]
    found = await both.get("t", ["none", keys[1]] if is_string else [99, keys[1]])
    assert found.positions is not None
    assert (found.positions.tolist(), found.to_dicts()) == ([1], [{"k": keys[1]}])
    assert (await both.delete("t", [keys[2]])).count == 1
    assert sorted(plain((await both.query("t")).column("k"))) == sorted(keys[:2])


async def test_generated_keys_are_returned_and_found(both: Client) -> None:
    for kind in ("int64", "string"):
        await both.create_table(kind, [Field("id", kind, primary_key=True), Field("n", "int32")], auto_id=True)
        result = await both.insert(kind, {"n": range(50)})
        keys = result.keys
        assert len(set(plain(keys))) == 50
        assert plain((await both.get(kind, keys)).column("n")) == list(range(50))


async def test_defaults_fill_what_is_not_sent(both: Client) -> None:
    await both.create_table(
        "t",
        [
            Field("id", "int64", primary_key=True),
            Field("word", "string", default="none"),
            Field("day", "date", default=datetime.date(1970, 1, 3)),
            Field("at", "datetime", default=datetime.datetime(1970, 1, 1, 0, 0, 1)),
            Field("hour", "time", default=datetime.time(1)),
            Field("flag", "bool", default=True),
        ],
    )
    await both.insert("t", {"id": [7]})
    (row,) = await both.get("t", [7])
    assert row == {"id": 7, "word": "none", "day": 2, "at": 1_000_000, "hour": 3_600_000_000, "flag": True}
    rows = await both.get("t", [7])
    assert to_datetimes(rows.column("at")).tolist() == [datetime.datetime(1970, 1, 1, 0, 0, 1)]
    assert to_times(rows.column("hour")).tolist() == [datetime.timedelta(hours=1)]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i8", ">f4", ">i2"])
async def test_vectors_of_any_number_type_are_float32_in_the_end(both: Client, dtype: str) -> None:
    await table_of(both, DataType.FLOAT_VECTOR)
    vectors = np.array([[1, 2], [3, 4]], dtype)
    await both.insert("t", {"id": [0, 1], "f": vectors})
    await both.insert("t", {"id": [2, 3], "f": np.asfortranarray(vectors)[::-1]})
    read = (await both.get("t", [0, 1, 2, 3])).column("f")
    assert read.dtype == np.float32
    assert read.tolist() == [[1, 2], [3, 4], [3, 4], [1, 2]]
    await both.create_index("t", "ix", "f", type="FLAT")
    await both.activate_index("t", "ix")
    assert (await both.search("t", vectors[1], 1)).scores.tolist() == [0.0]
