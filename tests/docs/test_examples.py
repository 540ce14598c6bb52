"""Every example of every document runs, one after the other as a reader would, against a server of its own.

`python` blocks share one namespace; `sh` blocks run with bash in an empty directory in which `data` is the data directory of a stopped
server. The ports 8901 and 8902 stand for those of the running server. An `output` block is compared with what the block before it
prints; `...` in it stands for anything. `console` blocks show what is not run: their commands must at least exist.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hippod.cli import build_parser
from hippod.testing import ServerProcess
from hippod_client import DataType, Field
from hippod_client.sync import Client
from tests.docs.documents import DOCUMENTS, ROOT, Block, blocks, name_of

LANGUAGES = {"python", "sh", "console", "output", "text", "toml", "ini", "json"}
EXAMPLES = [document for document in DOCUMENTS if any(block.language in ("python", "sh") for block in blocks(document))]
_BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def stopped_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server that had a table and was stopped in order."""
    data = tmp_path_factory.mktemp("stopped") / "data"
    with ServerProcess(data) as server:
        with Client(server.host, server.port) as client:
            client.create_table("books", [Field("id", DataType.INT64, primary_key=True), Field("mood", DataType.FLOAT_VECTOR, dimension=3)])
            client.insert("books", {"id": [1, 2, 3], "mood": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]})
        assert server.terminate() == 0
    return data


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "served") as running:
        yield running


@pytest.mark.parametrize("document", EXAMPLES, ids=name_of)
def test_the_examples_of_a_document_run(document: Path, server: ServerProcess, stopped_data: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    shutil.copytree(stopped_data, scratch / "data")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with closed_at_the_end(namespace):
        for block in blocks(document):
            if block.language == "python":
                printed = run_python(document, block, server, namespace)
            elif block.language == "sh":
                printed = run_shell(document, block, server, scratch)
            else:
                continue
            if block.output is not None:
                same = doctest.OutputChecker().check_output(block.output, printed, doctest.ELLIPSIS)
                assert same, f"{name_of(document)}, line {block.line}: printed\n{printed}instead of\n{block.output}"


@contextlib.contextmanager
def closed_at_the_end(namespace: dict[str, Any]) -> Iterator[None]:
    """An example need not close its client: the end of a script does that."""
    try:
        yield
    finally:
        for value in namespace.values():
            if isinstance(value, Client):
                value.close()
    for value in namespace.values():
        if isinstance(value, Client):
            value.close()


def with_ports(text: str, server: ServerProcess) -> str:
    return text.replace("8901", str(server.port)).replace("8902", str(server.rest_port))


def run_python(document: Path, block: Block, server: ServerProcess, namespace: dict[str, Any]) -> str:
    """Run a block as if it stood at its place in the document, so that a traceback names that; what it printed."""
    code = compile("\n" * (block.line - 1) + with_ports(block.text, server), str(document), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, namespace)
    return out.getvalue()


def run_shell(document: Path, block: Block, server: ServerProcess, scratch: Path) -> str:
    environment = {**os.environ, "PATH": f"{_BIN}:{os.environ['PATH']}"}
    command = ["bash", "-euo", "pipefail", "-c", with_ports(block.text, server)]
    done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{name_of(document)}, line {block.line}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_blocks_are_of_a_language_that_the_suite_knows() -> None:
    strange = [(name_of(d), b.line, b.language) for d in DOCUMENTS for b in blocks(d) if b.language not in LANGUAGES]
    assert not strange, "a misspelt language would hide an example from the suite"


def shown_commands(program: str) -> list[str]:
    """The command lines of that program in all `console` blocks, without the program."""
    pattern = re.compile(rf"^\$ (?:\S*/|\w+=\S+ )*{program}( .*)?$", re.MULTILINE)
    return [line.strip() for d in DOCUMENTS for b in blocks(d) if b.language == "console" for line in pattern.findall(b.text)]


def test_shown_hippod_commands_exist() -> None:
    commands = shown_commands("hippod")
    assert commands
    for command in commands:
        build_parser().parse_args(command.split())


def test_shown_make_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = shown_commands("make")
    assert {"demo", "test", "serve"} <= set(commands) <= targets


def test_make_demo_shows_what_it_should() -> None:
    done = subprocess.run(["make", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    for words in ("Loaded 5,000 rows", "Index trained over 5,000 vectors", "Recall@10", "searches/s", "exit code 0"):
        assert words in done.stdout
    recall = re.search(r"Recall@10.*: (0\.\d+)", done.stdout)
    assert recall is not None
    assert float(recall[1]) >= 0.9


def test_make_alone_lists_every_command() -> None:
    listed = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    targets = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    assert {line.split()[0] for line in listed.splitlines()} == set(targets)
