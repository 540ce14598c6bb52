"""Tables of plain text, as `/_cat` prints them: columns lined up, cells without blanks, so that splitting at blanks gives them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hippod.net.rest.body import DatabaseQuery
from hippod.net.rest.envelope import Text


class CatQuery(DatabaseQuery, frozen=True):
    """`v`: with a header line."""

    v: bool = False


def text_table(header: Sequence[str], rows: Iterable[Sequence[object]], query: CatQuery) -> Text:
    """An empty cell is printed as `-`, a blank in one as `_`: clients split each line at blanks and count the columns."""
    lines = [list(header)] if query.v else []
    lines += [[_cell(value) for value in row] for row in rows]
    widths = [max((len(line[i]) for line in lines), default=0) for i in range(len(header))]
    text = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return Text("".join(f"{line}\n" for line in text))


def _cell(value: object) -> str:
    return "_".join(str(value).split()) or "-" if value is not None else "-"
