"""The documents of the project, and what is in them: code blocks, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = tuple(
    sorted(path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("client/*.md"), *ROOT.glob("bench/*.md")))
)

_FENCE: Final = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `line` is that of its first line of text; `output` is the text of an `output` block right behind it."""

    language: str
    text: str
    line: int
    output: str | None


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def blocks(document: Path) -> list[Block]:
    """The fenced blocks of a document in order, `output` blocks joined to the ones that they belong to."""
    content = document.read_text()
    found: list[Block] = []
    end = -1
    for match in _FENCE.finditer(content):
        language, text = match["info"].strip(), match["text"]
        if language == "output":
            between = content[end : match.start()]
            assert found, f"{name_of(document)}: an output block without a block before it"
            assert not between.strip(), f"{name_of(document)}: an output block stands right behind its block"
            last = found[-1]
            found[-1] = Block(last.language, last.text, last.line, text)
        else:
            found.append(Block(language, text, content.count("\n", 0, match.start()) + 2, None))
        end = match.end()
    return found


def prose(document: Path) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", document.read_text())


def anchors(document: Path) -> set[str]:
    """The names by which links reach the headings."""
    seen: dict[str, int] = {}
    names = set()
    for heading in _HEADING.findall(prose(document)):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = seen.get(plain, 0)
        seen[plain] = count + 1
        names.add(f"{plain}-{count}" if count else plain)
    return names


def links(document: Path) -> Iterator[str]:
    yield from _LINK.findall(prose(document))


def table_rows(document: Path) -> list[list[str]]:
    """The cells of all table rows, backticks removed."""
    lines = [line for line in prose(document).splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]
