"""How requests look: Hippo's habits about bodies and query strings, in one place.

- GET and DELETE carry JSON bodies; `""`, nothing and `null` all mean "no body".
- Flags of the query string come without a value (`?pretty&v`).
- Numbers and booleans may be strings; null is absent, so every optional key may be null.
- Durations are a number with a unit (`2m`); enumerations come in any case.

A body is decoded straight into the struct that its route declares. What msgspec does not refuse is refused before: depth, number of
elements, and keys that are there twice (the last would win silently).
"""

from __future__ import annotations

import functools
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, ClassVar, Final, TypeVar

import msgspec

from hippod.engine.operations import DEFAULT_DATABASE
from hippod.errors import BadRequest, HippodError, LimitExceeded

DEPTH_MAX: Final = 32
PARAMETERS_MAX: Final = 32
WAIT_S_DEFAULT: Final = 300.0
WAIT_S_MAX: Final = 7 * 86_400.0


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of query strings. An unknown parameter is refused: a misspelled `database_name` must not mean the default database."""

    pretty: bool = False


class DatabaseQuery(Query, frozen=True):
    database_name: str = DEFAULT_DATABASE


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of request bodies. Required keys have no default; optional ones are `T | None = None`."""


class NoBody(Body, frozen=True):
    """For routes that take no body; `{}` is none, too."""


class JobBody(Body, frozen=True, kw_only=True):
    """Of every long operation. `timeout` is how long to wait, not how long the job may take."""

    wait_for_completion: bool | None = None
    timeout: str | int | None = None

    # What waits when the request does not say.
    waits_by_default: ClassVar[bool] = True

    @property
    def waits(self) -> bool:
        return self.waits_by_default if self.wait_for_completion is None else self.wait_for_completion

    @property
    def wait_s(self) -> float:
        return WAIT_S_DEFAULT if self.timeout is None else parse_duration("timeout", self.timeout)


# A key that is kept as its text: absent and null are one case.
ABSENT: Final = msgspec.Raw(b"null")


def absent() -> msgspec.Raw:
    """The default of such a key; a plain default would have to be shown in the OpenAPI document."""
    return ABSENT


_Q = TypeVar("_Q", bound=Query)
_B = TypeVar("_B", bound=Body)

_DURATION: Final = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)?")
_SECONDS: Final = {"ms": 0.001, None: 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def parse_duration(name: str, text: str | int) -> float:
    """Seconds of `2m`, `10s`, `25h`, `500ms`, `1d`; a bare number is seconds. Raises BadRequest."""
    match = _DURATION.fullmatch(str(text).strip().lower())
    if match is None:
        raise BadRequest(f"{name} is a number with a unit (ms, s, m, h, d) such as '2m', not {str(text)[:40]!r}", field=name)
    return min(int(match[1]) * _SECONDS[match[2]], WAIT_S_MAX)


_NUMBER: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")


def plain_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters whose names and types only the engine knows: null is absent, and text that is a number or a boolean is meant as one."""
    return {name: _plain(value) for name, value in given.items() if value is not None}


def _plain(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value


@functools.lru_cache(maxsize=1_024)
def parse_query(raw: bytes, kind: type[_Q]) -> _Q:
    """The parameters of a query string. Raises BadRequest for what is unknown, twice there or of the wrong type."""
    try:
        pairs = urllib.parse.parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX, strict_parsing=False
        )
    except ValueError as error:
        raise BadRequest(f"the query string is not valid: {error}") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise BadRequest(f"the parameter {name[:40]!r} is there twice", field=name[:40])
        found[name] = "true" if value == "" and name in _flags(kind) else value
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"the query string is not valid: {error}") from None


@functools.cache
def _flags(kind: type[Query]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind) if field.type is bool)


class BodyDecoder:
    """JSON bytes to the body of one route. Pure: big bodies are decoded in a thread."""

    def __init__(self, kind: type[_B], elements_max: int) -> None:
        self._decoder = msgspec.json.Decoder(kind, strict=False)
        self._elements_max = elements_max

    def decode(self, raw: bytes) -> Any:
        """Raises BadRequest that says where the body is wrong, LimitExceeded for one that is too complex."""
        text = raw.strip()
        if text in (b"", b'""', b"null"):
            text = b"{}"
        return decode_json(text, self._decoder, self._elements_max)


def decode_json(text: bytes, decoder: msgspec.json.Decoder[Any], elements_max: int) -> Any:
    try:
        check_structure(text, elements_max)
        return decoder.decode(text)
    except HippodError:
        raise
    except msgspec.ValidationError as error:
        raise BadRequest(f"the body is not valid: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise _too_deep() from None


_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)
_ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_OPENING: Final = frozenset(b"[{")
_OBJECT: Final = ord("{")


def check_structure(text: bytes, elements_max: int) -> None:
    """Refuse what a decoder would take but a reader must not: depth, too many elements, a key that is twice in an object.

    The text between quotes alternates with structure. Escapes are blanked out first, byte for byte, so that every quote counts.
    What is not JSON at all is left to the decoder, whose messages are better.
    """
    plain = text if b"\\" not in text else _ESCAPE.sub(b"__", text)
    pieces = plain.split(b'"')
    if text.count(b",") >= elements_max and sum(piece.count(b",") for piece in pieces[::2]) >= elements_max:
        raise LimitExceeded(f"a body has at most {elements_max} elements: send fewer rows a request", limit=elements_max)
    open_objects: list[set[str] | None] = []
    end = -1
    for number, piece in enumerate(pieces):
        start, end = end + 1, end + 1 + len(piece)
        if number % 2 or piece == b",":
            continue
        if number and open_objects and piece.lstrip(b" \t\r\n").startswith(b":"):
            key_end = start - 1
            _add_key(open_objects[-1], text[key_end - len(pieces[number - 1]) : key_end])
        for bracket in piece.translate(None, _ALL_BUT_BRACKETS):
            if bracket in _OPENING:
                open_objects.append(set() if bracket == _OBJECT else None)
                if len(open_objects) > DEPTH_MAX:
                    raise _too_deep()
            elif open_objects:
                open_objects.pop()


def _add_key(keys: set[str] | None, raw: bytes) -> None:
    if keys is None:
        return
    key = msgspec.json.decode(b'"' + raw + b'"', type=str) if b"\\" in raw else raw.decode()
    if key in keys:
        raise BadRequest(f"the key {key[:40]!r} is twice in one object", field=key[:40])
    keys.add(key)


def _too_deep() -> LimitExceeded:
    return LimitExceeded(f"a body is nested at most {DEPTH_MAX} deep", limit=DEPTH_MAX)
