"""What every index type promises whatever engine is behind it: recall, exact scores, each acknowledged row, no dead one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippod.engine.index import spec as spec_module
from hippod.engine.index.recipe import Engine
from hippod.engine.index.vectors import Slots
from tests.unit.engine.index.subject import ROWS, Subject, activate

# Type, build parameters, least recall of a search without parameters, and what the description says.
TYPES: list[tuple[str, dict[str, Any], float, str]] = [
    ("IVF_FLAT", {"nlist": 40}, 0.80, "ScaNN: 40 leaves, 4-bit codes, reordered by floats"),
    ("IVF_SQ", {"nlist": 40}, 0.80, "faiss: 40 leaves, SQ8 codes"),
    ("IVF_SQ", {"nlist": 40, "sq_type": "bfloat16"}, 0.80, "faiss: 40 leaves, BF16 codes"),
    ("IVF_PQ", {"nlist": 40, "m": 8, "nbits": 4, "index_slow_refine": "true"}, 0.80, "faiss: 40 leaves, codes of 8 x 4 bits"),
    ("IVF_PQ_FS", {"nlist": 40}, 0.80, "ScaNN: 40 leaves"),
    ("HNSW", {"M": 16, "ef_construction": 60}, 0.95, "faiss: HNSW graph, M 16, ef_construction 60"),
    ("ANNOY", {"n_trees": 10, "ef_construction": 60}, 0.95, "faiss: HNSW graph that serves ANNOY, M 16"),
]
NAMES = [kind + ("" if "sq_type" not in params else "-BF16") for kind, params, _, _ in TYPES]


@pytest.fixture(params=TYPES, ids=NAMES)
def of_type(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any], float, str]:
    chosen: tuple[str, dict[str, Any], float, str] = request.param
    return chosen


@pytest.fixture
async def subject(tmp_path: Path, of_type: tuple[str, dict[str, Any], float, str], metric: str) -> AsyncIterator[Subject]:
    made = Subject(tmp_path, metric, of_type[0], of_type[1])
    made.add(made.vectors(ROWS))
    await activate(made)
    yield made
    await made.index.close(save=False)
    made.pool.close()


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
async def test_a_type_finds_what_is_near_and_follows_every_write(subject: Subject, of_type: tuple[str, dict[str, Any], float, str]) -> None:
    assert subject.index.describe().vectors == ROWS
    assert subject.index.describe().engine.startswith(of_type[3])
    await subject.check(at_least=of_type[2], params={})
    await subject.check(at_least=0.9)
    subject.add(subject.queries * np.float32(1.001))
    await subject.check(at_least=0.9)
    subject.remove(np.arange(0, ROWS, 3))
    await subject.check(at_least=0.9)
    subject.remove(np.arange(ROWS, ROWS + 20))
    await subject.check(at_least=0.9)
    subject.remove(np.flatnonzero(subject.rows.alive)[3:])
    await subject.check(k=4)


@pytest.mark.parametrize("metric", ["cosine"])
async def test_a_type_comes_back_from_its_files_and_from_a_killed_host(subject: Subject) -> None:
    subject.add(subject.vectors(300))
    subject.remove(np.arange(0, 200, 2))
    await absorbed(subject)
    await subject.index.close(save=True)
    subject.rows.add(subject.queries)
    subject.rows.alive[300:340] = False
    subject.index = subject.another()
    await subject.index.load(lambda _share, _stage: None)
    assert subject.index.describe().vectors
    await subject.check(at_least=0.9)
    subject.remove(nearest(subject, 3))
    await subject.check(at_least=0.9)
    os.kill(subject.host_pid(), signal.SIGKILL)
    await subject.check(at_least=0.9)
    await subject.trained()
    await subject.check(at_least=0.9)


@pytest.mark.parametrize("kind", ["IVF_FLAT", "IVF_PQ_FS"])
async def test_without_scann_another_engine_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(spec_module, "available_engines", lambda: frozenset({Engine.FAISS}))
    subject = Subject(tmp_path, "ip", kind)
    subject.add(subject.vectors(ROWS))
    await activate(subject)
    assert subject.index.describe().engine.startswith("faiss: 40 leaves")
    subject.add(subject.queries)
    subject.remove(np.arange(0, ROWS, 3))
    await subject.check(at_least=0.9)
    await subject.index.close(save=False)
    subject.pool.close()


@pytest.mark.parametrize(
    "program",
    [
        "import sys, hippod.cli; assert not {'faiss', 'scann', 'scann_pybind'} & set(sys.modules)",
        "import sys; sys.modules['scann'] = sys.modules['faiss'] = None; import hippod.engine.index.host",
    ],
    ids=["the server loads no engine", "a host runs where none is installed"],
)
def test_engines_are_loaded_in_hosts_only_and_when_they_are_asked_for(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True)


async def absorbed(subject: Subject) -> None:
    """Wait until no row is fresh any more."""
    generation = subject.index._generations.current
    assert generation is not None
    async with asyncio.timeout(60):
        while (await generation.host.count())[1]:
            await asyncio.sleep(0.01)


def nearest(subject: Subject, k: int) -> Slots:
    return np.unique(subject.truth(k)[0])
