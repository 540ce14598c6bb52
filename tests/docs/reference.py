"""docs/reference.md, made from the structs of the operations: `python -m tests.docs.reference` (`make reference`) writes it.

The docstring of a struct is its text there, and the annotation of its handler names its result, so an operation is documented where it
is defined. `undescribed` finds what has no text.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from hippod.engine.arrays import Column
from hippod.engine.handlers import HANDLERS, PERSONAL_HANDLERS
from hippod.engine.operations import AnyOperation, Operation, Result
from tests.docs.documents import ROOT

FILE: Final = ROOT / "docs" / "reference.md"
_HEAD: Final = """\
# Reference of the operations

Every request of the native protocol with its fields, and every result. How they travel is in [protocol.md](protocol.md); the errors are in
[errors.md](errors.md). This page is made from `hippod/engine/operations/` by `make reference`.

A field with a default may be left out of a request, and a reply leaves it out of a [Field](#field). `block` stands for an array beside the
body, `Column` for a map with such arrays, see [columns](protocol.md#columns). Limits, by their names such as `TABLETS_MAX`, and the rules
for names are in [protocol.md](protocol.md#limits).

The heading is the value of `op`. A **read** changes nothing: it may be sent again after a lost connection. A **write** that was answered is
durable; without an answer its outcome is unknown.
"""
_PLAIN: Final = {str: "string", int: "int", float: "float", bool: "bool", bytes: "bytes", type(None): "nil", Any: "any", object: "any"}


def reference() -> str:
    """The whole page."""
    structs: dict[str, type[msgspec.Struct]] = {}
    enums: dict[str, type[enum.Enum]] = {}
    for struct in (*operations(), *(result_of(operation) for operation in operations())):
        _collect(struct, structs, enums)
    parts = [_HEAD]
    noun = ""
    for operation in operations():
        if operation.__module__ != noun:
            noun = operation.__module__
            parts.append(f"## {noun.rpartition('.')[2].replace('_', ' ').capitalize()}\n")
        parts.append(_operation(operation))
    parts.append("## Results and their parts\n")
    parts += [_struct(name, struct) for name, struct in sorted(structs.items()) if not issubclass(struct, Operation)]
    parts.append("## Values\n\nThese travel as strings.\n")
    parts += [
        f"### {name}\n\n{_text(kind)}\n\n{', '.join(f'`{member.value}`' for member in kind)}\n" for name, kind in sorted(enums.items())
    ]
    return "\n".join(parts)


def operations() -> tuple[type[Operation], ...]:
    """Every operation, in the order of the union, which is by noun."""
    members: tuple[type[Operation], ...] = typing.get_args(AnyOperation)
    return members


def result_of(operation: type[Operation]) -> type[Result]:
    """The result that the handler's annotation names."""
    handler = (HANDLERS | PERSONAL_HANDLERS)[operation]
    annotation = inspect.get_annotations(handler)["return"]
    hint = eval(annotation, vars(inspect.getmodule(handler))) if isinstance(annotation, str) else annotation
    found = {part for part in _flattened(hint) if isinstance(part, type) and issubclass(part, Result)}
    assert len(found) == 1, f"annotate the handler {handler.__name__} with its one result, not {annotation}"
    return found.pop()


def undescribed() -> list[str]:
    """Structs and enums that are part of the protocol and have no docstring."""
    structs: dict[str, type[msgspec.Struct]] = {}
    enums: dict[str, type[enum.Enum]] = {}
    for struct in (*operations(), *(result_of(operation) for operation in operations())):
        _collect(struct, structs, enums)
    return sorted(name for name, kind in (*structs.items(), *enums.items()) if not _text(kind))


def _flattened(hint: Any) -> Iterator[Any]:
    yield hint
    for argument in typing.get_args(hint):
        yield from _flattened(argument)


def _collect(struct: type[msgspec.Struct], structs: dict[str, type[msgspec.Struct]], enums: dict[str, type[enum.Enum]]) -> None:
    """The struct, all that its fields are made of, and the enums of its module, whose values travel as strings."""
    if struct.__name__ in structs:
        return
    structs[struct.__name__] = struct
    for kind in vars(inspect.getmodule(struct)).values():
        if isinstance(kind, type) and issubclass(kind, enum.Enum) and kind.__module__ == struct.__module__:
            enums[kind.__name__] = kind
    for hint in typing.get_type_hints(struct).values():
        for part in _flattened(hint):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                _collect(part, structs, enums)


def _operation(operation: type[Operation]) -> str:
    result = result_of(operation)
    table = _fields(operation)
    lines = [f"### {operation.__struct_config__.tag}\n", f"{'Read' if operation.is_read else 'Write'}. {_text(operation)}\n"]
    if table:
        lines.append(f"{table}\n")
    lines.append(f"Result: [{result.__name__}](#{result.__name__.lower()})\n")
    return "\n".join(lines)


def _struct(name: str, struct: type[msgspec.Struct]) -> str:
    table = _fields(struct)
    return f"### {name}\n\n{_text(struct)}\n" + (f"\n{table}\n" if table else "")


def _fields(struct: type[msgspec.Struct]) -> str:
    hints = typing.get_type_hints(struct)
    rows = [f"| `{f.encode_name}` | {_type(struct, f.name, hints[f.name])} | {_default(f)} |" for f in msgspec.structs.fields(struct)]
    config = struct.__struct_config__
    if config.tag is not None and not issubclass(struct, Operation):
        rows.insert(0, f"| `{config.tag_field}` | `{config.tag!r}`, which tells it from others |  |".replace("'", '"'))
    return "\n".join(["| field | type | default |", "| --- | --- | --- |", *rows]) if rows else ""


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"`{msgspec.json.encode(value).decode()}`".replace("`null`", "nil")


def _type(struct: type[msgspec.Struct], name: str, hint: Any) -> str:
    if struct is Column and name == "values":
        return "block of any dtype, or list"
    if struct is Column and name == "valid":
        return "block of bool or nil"
    return _rendered(hint)


def _rendered(hint: Any) -> str:
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_rendered(argument) for argument in arguments)
    if origin is np.ndarray:
        return f"block of {np.dtype(typing.get_args(arguments[1])[0]).name}"
    if origin in (list, tuple, Sequence):
        return f"array of {_rendered(arguments[0])}"
    if origin is dict:
        return f"map of string to {_rendered(arguments[1])}"
    assert isinstance(hint, type), f"how does {hint} look in the reference?"
    if issubclass(hint, msgspec.Struct | enum.Enum):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    raise AssertionError(f"how does {hint} look in the reference?")


def _text(described: type) -> str:
    """The docstring of the class itself, a paragraph a line, in the words of the protocol, its mentions of documents as links."""
    text = re.sub(r"\bNone\b", "nil", inspect.cleandoc(vars(described).get("__doc__") or ""))
    text = re.sub(r"\bdocs/(\w+\.md)", r"[\1](\1)", text)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


if __name__ == "__main__":
    FILE.write_text(reference())
