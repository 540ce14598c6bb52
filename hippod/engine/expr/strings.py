"""Comparing and matching many strings at once, on offsets and bytes. UTF-8 bytes sort as their characters do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import StringArray

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

# Bytes compared column by column before what is still equal is compared cell by cell.
_COLUMNS_MAX: Final = 64
_GATHER_BYTES: Final = 1 << 24
_CHARACTER: Final = rb"(?:[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]*)"


def signs(cells: StringArray, others: StringArray) -> npt.NDArray[np.int8]:
    """int8 (n,): -1, 0 or 1 where the cell is less than, equal to or greater than the other; `others` has one cell or n."""
    count = len(cells)
    out = np.zeros(count, np.int8)
    rows: Rows = np.arange(count, dtype=np.int64)
    single = len(others) == 1
    for at in range(_COLUMNS_MAX):
        if not len(rows):
            return out
        starts, ends = cells.offsets[rows], cells.offsets[rows + 1]
        other = np.zeros(len(rows), np.int64) if single else rows
        other_starts, other_ends = others.offsets[other], others.offsets[other + 1]
        has, other_has = starts + at < ends, other_starts + at < other_ends
        both = has & other_has
        out[rows[~both]] = has[~both].astype(np.int8) - other_has[~both].astype(np.int8)
        rows, starts, other_starts = rows[both], starts[both], other_starts[both]
        mine, theirs = cells.data[starts + at], others.data[other_starts + at]
        differs = mine != theirs
        out[rows[differs]] = np.where(mine[differs] < theirs[differs], -1, 1)
        rows = rows[~differs]
    for row in rows.tolist():
        mine_bytes, their_bytes = cells.bytes_at(row), others.bytes_at(0 if single else row)
        out[row] = (mine_bytes > their_bytes) - (mine_bytes < their_bytes)
    return out


def equal_to_any(cells: StringArray, wanted: Iterable[bytes]) -> Mask:
    """bool (n,): where the cell is one of `wanted`."""
    out = np.zeros(len(cells), np.bool_)
    by_length: dict[int, set[bytes]] = {}
    for value in wanted:
        by_length.setdefault(len(value), set()).add(value)
    lengths = cells.lengths()
    for length, values in by_length.items():
        rows = np.flatnonzero(lengths == length)
        if not length:
            out[rows] = True
        elif len(values) == 1:
            out[rows] = _have_bytes(cells, cells.offsets[rows], next(iter(values)))
        else:
            for part in _in_parts(rows, length):
                found = cells.data[cells.offsets[part][:, None] + np.arange(length)]
                out[part] = [cell in values for cell in found.view(f"V{length}").ravel().tolist()]
    return out


def starting_with(cells: StringArray, prefix: bytes) -> Mask:
    out = cells.lengths() >= len(prefix)
    rows = np.flatnonzero(out)
    out[rows] = _have_bytes(cells, cells.offsets[rows], prefix)
    return out


def ending_with(cells: StringArray, suffix: bytes) -> Mask:
    out = cells.lengths() >= len(suffix)
    rows = np.flatnonzero(out)
    out[rows] = _have_bytes(cells, cells.offsets[rows + 1] - len(suffix), suffix)
    return out


def containing(cells: StringArray, part: bytes) -> Mask:
    """bool (n,): where `part` (not empty) stands somewhere in the cell."""
    out = np.zeros(len(cells), np.bool_)
    first, last = int(cells.offsets[0]), int(cells.offsets[-1])
    overlapping = re.compile(b"(?=" + re.escape(part) + b")")
    starts = np.fromiter((m.start() for m in overlapping.finditer(cells.data[first:last].data)), np.int64) + first
    rows = np.searchsorted(cells.offsets, starts, side="right") - 1
    inside = starts + len(part) <= cells.offsets[rows + 1]
    out[rows[inside]] = True
    return out


def _have_bytes(cells: StringArray, starts: Rows, wanted: bytes) -> Mask:
    """Where the bytes from `starts` on are `wanted`, which they reach."""
    out = np.ones(len(starts), np.bool_)
    rows: Rows = np.arange(len(starts), dtype=np.int64)
    for at, byte in enumerate(wanted):
        if not len(rows):
            break
        same = cells.data[starts[rows] + at] == byte
        out[rows[~same]] = False
        rows = rows[same]
    return out


def _in_parts(rows: Rows, length: int) -> Iterable[Rows]:
    step = max(1, _GATHER_BYTES // length)
    return (rows[at : at + step] for at in range(0, len(rows), step))


class LikePattern:
    """A pattern of `like`: _ is one character, % any characters, backslash takes the meaning from what follows. It matches whole cells.

    The usual forms need no regular expression: abc, abc%, %abc and %abc%. The rest uses one in which nothing is tried twice: between
    two % the first place where a part fits is as good as any later one.
    """

    def __init__(self, text: str) -> None:
        pieces = [_pieces(part) for part in _split_at_percent(text)]
        self._plain = [piece if isinstance(piece, bytes) else None for piece in pieces]
        self._expression = re.compile(_expression(pieces), re.DOTALL)

    def match(self, cells: StringArray) -> Mask:
        """bool (n,): where the cell matches."""
        match self._plain:
            case [bytes(whole)]:
                return equal_to_any(cells, [whole])
            case [bytes(prefix), b""]:
                return starting_with(cells, prefix)
            case [b"", bytes(suffix)]:
                return ending_with(cells, suffix)
            case [b"", bytes(part), b""]:
                return containing(cells, part)
        prefix = self._plain[0] or b""
        out = starting_with(cells, prefix)
        fits = self._expression.fullmatch
        for row in np.flatnonzero(out).tolist():
            out[row] = fits(cells.bytes_at(row)) is not None
        return out


def _split_at_percent(text: str) -> list[list[str]]:
    """The pattern's units (a character, an escaped one as two, or _) between its % signs; %% is as one %."""
    parts: list[list[str]] = [[]]
    at = 0
    while at < len(text):
        unit = text[at : at + 2] if text[at] == "\\" and at + 1 < len(text) else text[at]
        at += len(unit)
        if unit != "%":
            parts[-1].append(unit)
        elif parts[-1] or len(parts) == 1:
            parts.append([])
    return parts


def _pieces(units: list[str]) -> bytes | re.Pattern[bytes]:
    """Plain bytes, or an expression where there is a _."""
    if "_" not in units:
        return "".join(unit[-1] for unit in units).encode()
    return re.compile(b"".join(_CHARACTER if unit == "_" else re.escape(unit[-1].encode()) for unit in units))


def _expression(pieces: list[bytes | re.Pattern[bytes]]) -> bytes:
    sources = [re.escape(p) if isinstance(p, bytes) else p.pattern for p in pieces]
    if len(sources) == 1:
        return sources[0]
    first, *middle, last = sources
    return first + b"".join(b"(?>.*?" + part + b")" for part in middle) + b".*" + last
