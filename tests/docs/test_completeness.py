"""What is not documented fails here: settings, errors, exit codes, operations, client methods, types, kinds, limits.

Each test compares the sources with the table of one document, and says which line is missing or wrong. To document a new thing, add its
line to that table; for an operation, write the docstring of its struct and run `make reference`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import hippod.engine
import hippod_client
import hippod_client.sync
import hippod_client.wire
from hippod import errors
from hippod.config import PASSWORD, load_config
from hippod.engine.catalog.settings import SETTINGS
from hippod.engine.expr.lexer import KEYWORDS
from hippod.engine.operations import IndexType, Metric, StatusInfo
from hippod.engine.rights import RULES
from hippod.engine.schema import DataType
from hippod_client.errors import SERVER_ERRORS, HippodError
from hippod_client.wire.arrays import BYTES_DTYPE, DTYPE_NUMBERS, STRING_DTYPE
from hippod_client.wire.frames import Kind
from tests.docs import reference
from tests.docs.documents import ROOT, prose, table_rows

DOCS = ROOT / "docs"


def first_cells(document: str) -> list[str]:
    return [row[0] for row in table_rows(DOCS / document)]


def assert_documented(names: Iterable[str], document: str) -> None:
    missing = sorted(set(names) - set(first_cells(document)))
    assert not missing, f"docs/{document} has no table row for {', '.join(missing)}"


def descendants(base: type) -> Iterator[type]:
    children: list[type] = base.__subclasses__()
    for child in children:
        yield child
        yield from descendants(child)


# The native protocol.


def test_the_reference_is_that_of_the_operations() -> None:
    assert reference.FILE.read_text() == reference.reference(), "docs/reference.md is not up to date: run `make reference`"


def test_everything_in_the_reference_is_described() -> None:
    assert not reference.undescribed(), "write their docstrings, then run `make reference`"


def test_every_kind_of_frame_has_its_number() -> None:
    numbers = {row[0]: row[1] for row in table_rows(DOCS / "protocol.md")}
    assert {kind.name: numbers.get(kind.name) for kind in Kind} == {kind.name: str(int(kind)) for kind in Kind}


def test_every_dtype_of_a_block_has_its_number() -> None:
    numbers = {row[0]: row[1] for row in table_rows(DOCS / "protocol.md") if len(row) == 3}
    wanted = {dtype.name: str(number) for dtype, number in DTYPE_NUMBERS.items()} | {"string": str(STRING_DTYPE), "bytes": str(BYTES_DTYPE)}
    assert {name: numbers.get(name) for name in wanted} == wanted


# Limits that no request can be refused for: they bound what the server does inside.
INTERNAL_LIMITS = {
    "BATCH_QUERIES_MAX",
    "BLOCK_ROWS_MAX",
    "FETCH_MAX",
    "GROUP_REQUESTS_MAX",
    "TEXT_CHARACTERS_MAX",
}


def limits() -> Iterator[tuple[str, int]]:
    """Every public constant called ..._MAX of the engine and of the wire package."""
    for package in (hippod.engine, hippod_client.wire):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            loaded = importlib.import_module(module.name)
            source = Path(str(loaded.__file__)).read_text()
            for name in re.findall(r"^([A-Z]\w*_MAX)\b.* = ", source, re.MULTILINE):
                yield name, getattr(loaded, name)


@pytest.mark.parametrize(("name", "value"), sorted({limit for limit in limits() if limit[0] not in INTERNAL_LIMITS}))
def test_every_limit_is_written_with_its_value(name: str, value: int) -> None:
    rows = [row for document in sorted(DOCS.glob("*.md")) for row in table_rows(document)]
    documented = any(name in row and f"{value:,}" in row for row in rows)
    assert documented, f"no table in docs/ has a row with `{name}` and {value:,}: docs/protocol.md, Limits, is the place"


def test_what_every_operation_takes_of_a_user_is_said() -> None:
    rows = dict(row for row in table_rows(DOCS / "users.md") if len(row) == 2)
    for operation, rule in RULES.items():
        assert rows.get(str(operation.__struct_config__.tag)) == rule.needed


def test_every_setting_of_a_table_has_its_default() -> None:
    rows = {row[0]: row[3] for row in table_rows(DOCS / "tables.md") if len(row) == 5}
    shown = {name: "" if setting.default is None else str(setting.default).lower() for name, setting in SETTINGS.items()}
    assert {name: rows.get(name) for name in SETTINGS} == shown


# Errors.


def test_every_error_has_its_row() -> None:
    """| code | HTTP status | REST type | ...: as the classes have them."""
    rows = {row[0]: row[1:3] for row in table_rows(DOCS / "errors.md")}
    for error in descendants(errors.HippodError):
        assert issubclass(error, errors.HippodError)
        assert rows.get(error.code) == [str(error.http_status), error.rest_type], f"docs/errors.md lacks or misstates {error.code}"


def test_every_error_of_the_client_has_its_row() -> None:
    local = {error.code for error in descendants(HippodError) if issubclass(error, HippodError)} - set(SERVER_ERRORS)
    assert_documented(local, "errors.md")


def test_every_exit_code_has_its_row() -> None:
    codes = {error.exit_code for error in (errors.ProcessExit, *descendants(errors.ProcessExit)) if issubclass(error, errors.ProcessExit)}
    assert_documented({"0", *map(str, codes)}, "operations.md")


# The log.

_LEVELS = {"warning": "warning", "error": "error", "exception": "error", "critical": "critical"}


def logged() -> Iterator[tuple[str, str]]:
    """Message and level of every call of the server that logs a warning or worse."""
    for path in sorted((ROOT / "hippod").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Attribute(ast.Name("log" | "_log"), method), [ast.Constant(str(message)), *_]) if method in _LEVELS:
                    yield message, _LEVELS[method]


@pytest.mark.parametrize(("message", "level"), sorted(set(logged())))
def test_every_warning_of_the_log_is_explained(message: str, level: str) -> None:
    """| part of the message | level | meaning |"""
    rows = [row for row in table_rows(DOCS / "operations.md") if len(row) == 3 and row[1] == level]
    explained = any(row[0] in message and row[2] for row in rows)
    assert explained, f"docs/operations.md, What the log says, has no row of level {level} with a part of {message!r}"


def test_every_figure_of_the_status_is_explained() -> None:
    explained = {name for row in table_rows(DOCS / "operations.md") for name in re.findall(r"\w+", row[0])}
    missing = sorted(set(StatusInfo.__struct_fields__) - explained)
    assert not missing, f"docs/operations.md, Is it well?, has no row for {', '.join(missing)}"


# Settings.


def test_every_setting_has_its_row_with_variable_and_default() -> None:
    """| setting | variable | default | ...; the number of training threads depends on the machine."""
    rows = {row[0]: row[1:] for row in table_rows(DOCS / "configuration.md")}
    for setting in load_config({}, {}, None).settings:
        assert setting.name in rows, f"docs/configuration.md has no row for {setting.name}"
        variable, default, meaning = rows[setting.name][:3]
        assert variable == "HIPPOD_" + setting.name.replace(".", "_").upper()
        assert meaning, f"docs/configuration.md does not say what {setting.name} means"
        if setting.name != "index.training_threads":
            assert default.replace(",", "") == shown(setting.value), f"the default of {setting.name} is {shown(setting.value)}"
    assert PASSWORD in prose(DOCS / "configuration.md")


def shown(value: object) -> str:
    """A default as the table has it: empty for none, whole numbers without a fraction."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_no_row_stands_for_a_setting_that_is_gone() -> None:
    known = {setting.name for setting in load_config({}, {}, None).settings}
    written = {row[0] for row in table_rows(DOCS / "configuration.md") if len(row) > 1 and row[1].startswith("HIPPOD_")}
    assert written == known


# The clients and what one can say with them.


def public_methods(client: type) -> dict[str, inspect.Signature]:
    return {n: inspect.signature(m) for n, m in inspect.getmembers(client, inspect.isfunction) if not n.startswith("_")}


def test_both_clients_have_the_same_methods() -> None:
    ours, theirs = public_methods(hippod_client.Client), public_methods(hippod_client.sync.Client)
    assert {n: list(s.parameters.values()) for n, s in ours.items()} == {n: list(s.parameters.values()) for n, s in theirs.items()}


@pytest.mark.parametrize("method", sorted(public_methods(hippod_client.Client)))
def test_every_client_method_has_its_row_and_its_docstring(method: str) -> None:
    rows = {name.partition("(")[0] for name in first_cells("client.md") if "(" in name}
    assert method in rows, f"docs/client.md has no table row for {method}(...)"
    for client in (hippod_client.Client, hippod_client.sync.Client):
        assert getattr(client, method).__doc__, f"{client.__module__}.Client.{method} has no docstring"


def test_every_exported_name_of_the_client_is_mentioned() -> None:
    text = prose(DOCS / "client.md")
    missing = [name for name in hippod_client.__all__ if f"`{name}" not in text]
    assert not missing, f"docs/client.md does not mention {', '.join(missing)}"


def test_every_data_type_has_its_row() -> None:
    assert_documented(map(str, DataType), "client.md")


def test_every_index_type_and_metric_has_its_row() -> None:
    assert_documented([*IndexType, *Metric], "indexes.md")


def test_every_word_of_the_filter_language_is_explained() -> None:
    text = (DOCS / "filters.md").read_text()
    missing = [word for word in KEYWORDS if not re.search(rf"\b{word}\b", text)]
    assert not missing, f"docs/filters.md does not explain {', '.join(missing)}"
