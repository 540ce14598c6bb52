"""Links lead somewhere, and the map names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.documents import DOCUMENTS, ROOT, anchors, links, name_of, prose

# What programs write: a fresh copy has none of it.
WRITTEN = ("bench/out/", "bench/.cache")
ARCHITECTURE = ROOT / "ARCHITECTURE.md"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{name_of(document)} links to {link}, which does not exist"
        assert not anchor or anchor in anchors(target), f"{name_of(document)} links to {link}, which has no such heading"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_source_files_that_a_document_names_exist(document: Path) -> None:
    for path in re.findall(r"`((?:hippod|client|tests|docs|demo|bench)/[\w/.-]*)`", prose(document)):
        assert (ROOT / path).exists() or path.startswith(WRITTEN), f"{name_of(document)} names {path}, which does not exist"


def test_the_map_has_every_folder_of_the_sources() -> None:
    text = ARCHITECTURE.read_text()
    folders = {init.parent for base in ("hippod", "client/hippod_client") for init in (ROOT / base).rglob("__init__.py")}
    named = set(re.findall(r"`([\w/.]+?)/?`", text))
    for folder in folders:
        path = folder.relative_to(ROOT)
        mapped = {str(path), path.name} & named or path == Path("hippod")
        assert mapped, f"ARCHITECTURE.md does not say which question {path}/ answers"


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    open_documents = [ROOT / "README.md"]
    while open_documents:
        document = open_documents.pop()
        if document in reached or document.suffix != ".md" or not document.exists():
            continue
        reached.add(document)
        paths = (link.partition("#")[0] for link in links(document) if not re.match(r"[a-z]+:", link))
        open_documents += [(document.parent / path).resolve() for path in paths if path]
    lost = [name_of(document) for document in DOCUMENTS if document.parent == ROOT / "docs" and document not in reached]
    assert not lost, f"no document links to {', '.join(lost)}"
