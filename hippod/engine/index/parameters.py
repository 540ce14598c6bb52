"""Reading the parameters of an index as applications send them.

Hippo's habits in one place: names of types in any case, numbers and flags as strings, null for absent, unknown keys ignored.
Everything raises Rejected with the parameter and its range.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from hippod.errors import LimitExceeded, Rejected

PARAMS_BYTES_MAX: Final = 16_384

_E = TypeVar("_E", bound=enum.StrEnum)
_FLAGS = {"true": True, "false": False}


def check_storable(params: Mapping[str, Any]) -> None:
    """Whether the catalog can keep them, also those that nobody knows: plain values, not too many. Raises Rejected or LimitExceeded."""
    try:
        size = len(msgspec.msgpack.encode(params))
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise Rejected("the parameters of an index are numbers, strings, flags, and lists or maps of them", parameter="params") from None
    if size > PARAMS_BYTES_MAX:
        raise LimitExceeded(f"the parameters of an index take at most {PARAMS_BYTES_MAX} bytes, not {size}", limit=PARAMS_BYTES_MAX)


def whole(params: Mapping[str, Any], name: str, lowest: int, highest: int) -> int | None:
    """A whole number from `lowest` to `highest`, None if absent."""
    value = params.get(name)
    if value is None or (type(value) is int and lowest <= value <= highest):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise Rejected(f"{name} is a whole number from {lowest} to {highest}, not {str(value)[:40]!r}", parameter=name, limit=highest)
    return value


def number(params: Mapping[str, Any], name: str, lowest: float, highest: float) -> float | None:
    """A number from `lowest` to `highest`, None if absent."""
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value[:32])
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        raise Rejected(f"{name} is a number from {lowest} to {highest}, not {str(value)[:40]!r}", parameter=name, limit=highest)
    return float(value)


def flag(params: Mapping[str, Any], name: str) -> bool:
    """True or false, false if absent."""
    value = params.get(name)
    if isinstance(value, str):
        value = _FLAGS.get(value.lower(), value)
    if value is not None and not isinstance(value, bool):
        raise Rejected(f"{name} is true or false, not {str(value)[:40]!r}", parameter=name)
    return bool(value)


def member(kind: type[_E], what: str, name: str) -> _E:
    """The member of an enumeration."""
    try:
        return kind(name)
    except ValueError:
        raise Rejected(f"no {what} {name[:40]!r}; there are {', '.join(kind)}", parameter=what) from None
