"""A filter over columns means what it means row by row, with null as SQL has it; faults point at their column."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippod.engine.arrays import ListArray, StringArray, Values
from hippod.engine.expr import compile_filter
from hippod.engine.schema import DataType, Field, Schema
from hippod.errors import FilterError

SCHEMA = Schema(
    fields=(
        Field("id", DataType.INT64, primary_key=True),
        Field("small", DataType.INT8, nullable=True),
        Field("price", DataType.FLOAT, nullable=True),
        Field("name", DataType.STRING, nullable=True),
        Field("other", DataType.STRING),
        Field("flag", DataType.BOOL, nullable=True),
        Field("day", DataType.DATE),
        Field("at", DataType.TIMESTAMP),
        Field("hour", DataType.TIME),
        Field("tags", DataType.ARRAY, element_type=DataType.STRING, nullable=True),
        Field("sizes", DataType.ARRAY, element_type=DataType.INT32),
        Field("v", DataType.FLOAT_VECTOR, dimension=2),
    )
)


class Table:
    """Rows as dicts, seen as columns."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def values(self, name: str) -> Values:
        field = SCHEMA.field(name)
        cells = [row.get(name) for row in self.rows]
        if field.type.is_string:
            return StringArray.of(cell or "" for cell in cells)
        if field.type is DataType.ARRAY:
            flat = [element for cell in cells for element in cell or ()]
            inner: Any = StringArray.of(flat) if field.element_type is DataType.STRING else np.array(flat, np.int32)
            return ListArray(np.cumsum([0, *(len(cell or ()) for cell in cells)]), inner)
        return np.array([0 if cell is None else cell for cell in cells], field.type.dtype)

    def valid(self, name: str) -> npt.NDArray[np.bool_] | None:
        mask = np.array([row.get(name) is not None for row in self.rows], np.bool_)
        return None if mask.all() else mask


def matching(text: str, rows: list[dict[str, Any]]) -> list[int]:
    mask = compile_filter(text, SCHEMA).mask(Table(rows), len(rows))
    assert mask.shape == (len(rows),)
    return np.flatnonzero(mask).tolist()


def row(**cells: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "small": 1,
        "price": 1.0,
        "name": "n",
        "other": "o",
        "flag": True,
        "day": 0,
        "at": 0,
        "hour": 0,
        "tags": [],
        "sizes": [],
        **cells,
    }


ROWS = [
    row(id=0, small=None, price=0.1, name="apple pie", flag=None, tags=["a", "b"], sizes=[1, 2]),
    row(id=1, small=-128, price=None, name="Apfel", flag=False, tags=None, sizes=[]),
    row(id=2, small=127, price=2.5, name=None, flag=True, tags=[], sizes=[3]),
    row(id=3, small=5, price=-1e30, name="100%_sure", flag=True, tags=["b"], sizes=[2, 2, 9]),
    row(id=4, small=5, price=3.0, name="élan vital", flag=False, tags=["ab", "b", "a"], sizes=[1000]),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id == 3", [3]),
        ("id = 3", [3]),
        ("3 < id", [4]),
        ("id != 3 and id <> 4", [0, 1, 2]),
        ("small >= 5", [2, 3, 4]),
        ("small < 1000", [1, 2, 3, 4]),
        ("small > -1000", [1, 2, 3, 4]),
        ("small == 1000", []),
        ("small != 1000", [1, 2, 3, 4]),
        ("small > 4.5", [2, 3, 4]),
        ("small <= 4.5", [1]),
        ("small == 4.5", []),
        ("small != 4.5", [1, 2, 3, 4]),
        ("small < 1e999", [1, 2, 3, 4]),
        ("price == 0.1", [0]),
        ("price > -1e300", [0, 2, 3, 4]),
        ("price in [0.1, 3]", [0, 4]),
        ("small == price", []),
        ("id > small", [1]),
        ("small is null", [0]),
        ("small is not null and not small == 5", [1, 2]),
        ("not (small == 5)", [1, 2]),
        ("small == null", []),
        ("not (small == null)", []),
        ("small in [5, 127, null, 9999999999]", [2, 3, 4]),
        ("small not in [5]", [1, 2]),
        ("small not_in (5, 127)", [1]),
        ("small not in [5, null]", []),
        ("small in []", []),
        ("flag == true", [2, 3]),
        ("flag != true", [1, 4]),
        ("flag in [true, false]", [1, 2, 3, 4]),
        ('name == "Apfel"', [1]),
        ("name >= 'a'", [0, 4]),
        ("name < 'Apfem'", [1, 3]),
        ("name < 'Apfel'", [3]),
        ("name in ['Apfel', 'apple pie', 'Apfe', 'zzzzz']", [0, 1]),
        ("name like 'ap%'", [0]),
        ("name like '%pie'", [0]),
        ("name like '%l%'", [0, 1, 4]),
        ("name like '100\\%\\_sure'", [3]),
        ("name like '1%\\%%'", [3]),
        ("name like '_lan%'", [4]),
        ("name like '%p_e'", [0]),
        ("name not like 'A%'", [0, 3, 4]),
        ("name like '%'", [0, 1, 3, 4]),
        ("name like ''", []),
        ("name == other", []),
        ("other == 'o' && id < 2 || id == 4", [0, 1, 4]),
        ("tags == 'b'", [0, 3, 4]),
        ("tags != 'b'", [2]),
        ("tags in ['a', 'zz']", [0, 4]),
        ("array_contains(tags, 'ab')", [4]),
        ("array_contains_all(tags, ['a', 'b'])", [0, 4]),
        ("array_contains_any(sizes, [3, 1000])", [2, 4]),
        ("array_contains_all(sizes, [])", [0, 1, 2, 3, 4]),
        ("tags is null", [1]),
        ("1 == 1", [0, 1, 2, 3, 4]),
        ("1 < 0 or id == 2", [2]),
        ("NOT id IN [1,2,3] AND id < 4", [0]),
    ],
)
def test_meaning_of_every_form(text: str, expected: list[int]) -> None:
    assert matching(text, ROWS) == expected


def test_dates_and_times_are_written_as_iso_8601_or_as_stored() -> None:
    noon = int(datetime.datetime(2024, 5, 31, 12, tzinfo=datetime.UTC).timestamp() * 1_000_000)
    rows = [row(day=19874, at=noon, hour=3_600_000_000), row(day=0, at=0, hour=0)]
    for text in (
        "day == '2024-05-31'",
        "day > 19873",
        "at == '2024-05-31 12:00:00'",
        "at == '2024-05-31T14:00:00+02:00'",
        f"at >= {noon}",
        "hour == '01:00:00'",
    ):
        assert matching(text, rows) == [0], text


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "expected a field or a value"),
        ("nam == 1", 1, "no field 'nam'"),
        ("id == 'x'", 7, "'id' is int64, not 'x'"),
        ("id == true", 7, "not True"),
        ("id == 1 and", 12, "found the end"),
        ("(id == 1", 9, "expected ')'"),
        ("id == 1 id", 9, "expected 'and', 'or' or the end"),
        ("id ~ 1", 4, "unexpected '~'"),
        ("name == 'abc", 9, "no closing '"),
        ("name like 5", 11, "a pattern in quotes"),
        ("id like 'x'", 1, "'like' needs a string field"),
        ("flag < true", 6, "== or != only"),
        ("tags < 'a'", 6, "== or != only"),
        ("v == 1", 1, "is a vector"),
        ("id == name", 4, "cannot be compared"),
        ("id in [1, ]", 11, "expected a field or a value"),
        ("id in 5", 7, "expected '['"),
        ("day == 'yesterday'", 8, "such as '2024-05-31'"),
        ("array_contains(name, 'x')", 16, "not an array"),
        ("12ab == id", 3, "a number ends in 'a'"),
        ("id is 5", 7, "expected 'null'"),
        ("'a' == 1", 8, "cannot be compared"),
    ],
)
def test_faults_point_at_their_column(text: str, column: int, words: str) -> None:
    with pytest.raises(FilterError) as raised:
        compile_filter(text, SCHEMA)
    assert raised.value.details["column"] == column
    assert words in raised.value.message


def test_limits_on_clauses_and_depth() -> None:
    compile_filter(" or ".join(["id == 1"] * 256), SCHEMA)
    with pytest.raises(FilterError, match="at most 256 clauses"):
        compile_filter(" or ".join(["id == 1"] * 257), SCHEMA)
    compile_filter("(" * 16 + "id == 1" + ")" * 16, SCHEMA)
    for deep in ("(" * 17 + "id == 1" + ")" * 17, "not " * 17 + "id == 1"):
        with pytest.raises(FilterError, match="nested at most 16 deep"):
            compile_filter(deep, SCHEMA)


def test_a_hostile_pattern_takes_no_time_for_a_long_cell() -> None:
    rows = [row(name="a" * 20_000)]
    assert matching("name like '%a%a%a%a%a%a%a%a%b_'", rows) == []


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("id == 5", [5]),
        ("5 = id", [5]),
        ("id in [3, 1, 3]", [1, 3, 3]),
        ("id == 1 and id == 1", None),
        ("id != 5", None),
        ("id not in [5]", None),
    ],
)
def test_a_filter_that_only_names_keys_is_a_lookup(text: str, keys: list[int] | None) -> None:
    found = compile_filter(text, SCHEMA).key_values()
    assert (None if found is None else found.tolist()) == keys  # type: ignore[union-attr] # int keys are an array


TEXTS = st.text(st.sampled_from("ab%_é"), max_size=6)
CELLS = st.fixed_dictionaries(
    {
        "id": st.integers(-3, 3),
        "small": st.none() | st.integers(-3, 3),
        "price": st.none() | st.sampled_from([-1.5, 0.0, 0.5, 2.0]),
        "name": st.none() | TEXTS,
        "other": TEXTS,
        "flag": st.none() | st.booleans(),
    }
)
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
Clause = tuple[str, Callable[[dict[str, Any]], bool | None]]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def utf8(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


@st.composite
def comparisons(draw: st.DrawFn) -> Clause:
    field, values = draw(
        st.sampled_from(
            [
                ("id", st.integers(-4, 4)),
                ("small", st.integers(-4, 4)),
                ("price", st.sampled_from([-1.5, 0.5, 1.0])),
                ("name", TEXTS),
                ("other", TEXTS),
            ]
        )
    )
    sign, value = draw(st.sampled_from(sorted(OPERATORS))), draw(values)
    shown = quoted(value) if isinstance(value, str) else str(value)

    def holds(cells: dict[str, Any]) -> bool | None:
        return None if cells[field] is None else OPERATORS[sign](utf8(cells[field]), utf8(value))

    return f"{field} {sign} {shown}", holds


@st.composite
def memberships(draw: st.DrawFn) -> Clause:
    values = draw(st.lists(TEXTS, max_size=4))

    def holds(cells: dict[str, Any]) -> bool | None:
        return None if cells["name"] is None else cells["name"] in values

    return f"name in [{', '.join(map(quoted, values))}]", holds


@st.composite
def negations(draw: st.DrawFn, parts: st.SearchStrategy[Clause]) -> Clause:
    text, holds = draw(parts)

    def negated(cells: dict[str, Any]) -> bool | None:
        inner = holds(cells)
        return None if inner is None else not inner

    return f"not ({text})", negated


@st.composite
def chains(draw: st.DrawFn, parts: st.SearchStrategy[Clause]) -> Clause:
    chosen = draw(st.lists(parts, min_size=2, max_size=3))
    word, deciding = draw(st.sampled_from([("and", False), ("or", True)]))

    def holds(cells: dict[str, Any]) -> bool | None:
        outcomes = [part(cells) for _, part in chosen]
        if deciding in outcomes:
            return deciding
        return None if None in outcomes else not deciding

    return f" {word} ".join(f"({text})" for text, _ in chosen), holds


CLAUSES = st.recursive(comparisons() | memberships(), lambda parts: negations(parts) | chains(parts), max_leaves=6)


@settings(max_examples=300, deadline=None)
@given(CLAUSES, st.lists(CELLS, max_size=12))
def test_filters_mean_what_they_mean_row_by_row(clause: Clause, rows: list[dict[str, Any]]) -> None:
    text, holds = clause
    assert matching(text, rows) == [i for i, cells in enumerate(rows) if holds(cells) is True]


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.lists(TEXTS, max_size=10))
def test_like_means_what_it_means_character_by_character(pattern: str, names: list[str]) -> None:
    def fits(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "%":
            return any(fits(pattern[1:], text[i:]) for i in range(len(text) + 1))
        return bool(text) and pattern[0] in ("_", text[0]) and fits(pattern[1:], text[1:])

    rows = [row(name=name) for name in names]
    assert matching(f"name like {quoted(pattern)}", rows) == [i for i, name in enumerate(names) if fits(pattern, name)]
