"""From the text of a filter to tokens."""

from __future__ import annotations

import re
from functools import partial
from typing import Final, NamedTuple

from hippod.errors import FilterError

TEXT_CHARACTERS_MAX: Final = 1 << 20
NUMBER_CHARACTERS_MAX: Final = 64

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
      | (?P<word>[^\W\d][\w.]*)
      | (?P<symbol>==|!=|<>|<=|>=|&&|\|\||[=<>!()\[\],])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(['\"])|''|\"\"")
KEYWORDS: Final = frozenset({"and", "or", "not", "in", "not_in", "like", "is", "null", "true", "false"})


class Token(NamedTuple):
    """`kind`: number, string, word, keyword, symbol or end; keywords are in small letters, strings without quotes."""

    kind: str
    text: str
    column: int


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`, the last of kind end. Raises FilterError at the first character that fits none."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise FilterError(f"a filter has at most {TEXT_CHARACTERS_MAX} characters, not {len(text)}", column=1, limit=TEXT_CHARACTERS_MAX)
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at)
        kind, column = match.lastgroup, at + 1
        assert kind is not None
        at = match.end()
        if kind == "space":
            continue
        found = match.group()
        if kind == "number" and len(found) > NUMBER_CHARACTERS_MAX:
            raise FilterError(f"column {column}: a number has at most {NUMBER_CHARACTERS_MAX} characters", column=column)
        if kind == "number" and at < len(text) and (text[at].isalnum() or text[at] == "_"):
            raise FilterError(f"column {at + 1}: a number ends in {text[at]!r}; quote text with ' or \"", column=at + 1)
        if kind == "string":
            found = _ESCAPE.sub(partial(_unescaped, found[0]), found[1:-1])
        if kind == "word" and found.lower() in KEYWORDS:
            kind, found = "keyword", found.lower()
        tokens.append(Token(kind, found, column))
    tokens.append(Token("end", "", len(text) + 1))
    return tokens


def _unescaped(quote: str, match: re.Match[str]) -> str:
    """A quote is written \\' or doubled; any other backslash stands for itself (like patterns have their own escapes)."""
    whole = match.group()
    if whole[0] == "\\":
        return whole[1]
    return quote if whole[0] == quote else whole


def _unreadable(text: str, at: int) -> FilterError:
    if text[at] in "'\"":
        return FilterError(f"column {at + 1}: the string that starts here has no closing {text[at]}", column=at + 1)
    return FilterError(f"column {at + 1}: unexpected {text[at]!r}", column=at + 1)
