"""Patterns of names, as requests have them: names separated by commas, in which `*` stands for any characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from hippod.errors import InvalidName, LimitExceeded

PATTERN_BYTES_MAX: Final = 4_096
PATTERNS_MAX: Final = 64

_PATTERN: Final = re.compile(r"[A-Za-z0-9_.\-*]{1,128}")


def check_patterns(text: str) -> tuple[str, ...]:
    """The parts of a pattern. Raises InvalidName or LimitExceeded."""
    parts = tuple(part.strip() for part in text.split(",")) if len(text) <= PATTERN_BYTES_MAX else ()
    if not 1 <= len(parts) <= PATTERNS_MAX:
        raise LimitExceeded(
            f"a pattern has 1 to {PATTERNS_MAX} names with commas between and at most {PATTERN_BYTES_MAX} characters", limit=PATTERNS_MAX
        )
    for part in parts:
        if not _PATTERN.fullmatch(part):
            raise InvalidName(f"{part[:40]!r} is no name and no pattern: use letters, digits, '_', '-', '.' and '*'", name=part[:40])
    return parts


def name_matcher(parts: Iterable[str]) -> Callable[[str], bool]:
    """Tells of a name whether one of the checked patterns means it."""
    pieces = [part.split("*") for part in parts]
    return lambda name: any(_matches(name, piece) for piece in pieces)


def _matches(name: str, pieces: list[str]) -> bool:
    """`pieces` are what stands between the stars: each is looked for behind the one before, so nothing is tried twice."""
    if len(pieces) == 1:
        return name == pieces[0]
    first, *middle, last = pieces
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return False
    for piece in middle:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
