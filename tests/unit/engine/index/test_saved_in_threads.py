"""Indexes of several tablets are read at the same time when a server starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from hippod.engine.index.recipe import Engine, Recipe
from hippod.engine.index.saved import FORMAT, Definition, Manifest
from hippod.engine.operations.indexes import IndexType, Metric

_PROGRAM = """
import sys, threading
from pathlib import Path
from hippod.engine.index.saved import read_manifest

sys.setswitchinterval(1e-6)
start = threading.Barrier(3)

def read():
    start.wait()
    read_manifest(Path(sys.argv[1]), check_hashes=False)

threads = [threading.Thread(target=read) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_the_first_manifests_that_a_server_reads_may_be_read_in_several_threads(tmp_path: Path) -> None:
    recipe = Recipe(engine=Engine.SCANN, type=IndexType.IVF_FLAT, leaves=10)
    manifest = Manifest(FORMAT, Definition(IndexType.IVF_FLAT, Metric.L2, 8), recipe, trained_rows=100)
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    for _ in range(12):
        subprocess.run([sys.executable, "-c", _PROGRAM, str(tmp_path)], check=True)  # our own program
