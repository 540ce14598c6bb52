"""ScaNN runs on the best kernels that the processor has, and on no others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hippod.engine.index.recipe import Engine, Recipe, available_engines
from hippod.engine.index.scann_index import ScannIndex
from hippod.engine.index.scann_kernels import avx2_switch, has_avx2, scann_library
from hippod.engine.operations.indexes import IndexType, Metric

pytestmark = pytest.mark.skipif(Engine.SCANN not in available_engines(), reason="ScaNN has no wheel for this machine")

NEW = "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2 fma bmi1 bmi2 avx512f\n"
OLD = "processor\t: 1\nflags\t\t: fpu sse4_2 avx\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd sve2\n"


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [(NEW, True), (NEW + NEW, True), (OLD, False), (NEW + OLD, False), (NEW.replace("fma ", ""), False), (ARM, False), ("", False)],
)
def test_avx2_is_used_where_every_processor_has_it(cpuinfo: str, expected: bool) -> None:
    assert has_avx2(cpuinfo) is expected


def test_the_installed_scann_is_told_what_the_processor_has() -> None:
    switch = avx2_switch(scann_library())
    assert switch is not None
    assert switch.value is has_avx2(Path("/proc/cpuinfo").read_text())


def test_an_index_finds_the_same_on_all_kernels(tmp_path: Path) -> None:
    """Trained and saved here, searched in another process on the kernels that every processor has."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((5_000, 48)).astype(np.float32)
    recipe = Recipe(Engine.SCANN, IndexType.IVF_FLAT, 70)
    index = ScannIndex.train(recipe, rows, Metric.L2, 2)
    index.append(rows[:50] + np.float32(0.5))
    index.save(tmp_path)
    np.save(tmp_path / "queries.npy", rows[:200])
    program = f"""
import json, numpy as np
from hippod.engine.index import scann_index
from hippod.engine.index.recipe import Engine, Recipe
from hippod.engine.index.scann_kernels import avx2_switch, installed_scann
from hippod.engine.operations.indexes import IndexType, Metric
from pathlib import Path
scann_index.scann_library = installed_scann
directory = Path({str(tmp_path)!r})
index = scann_index.ScannIndex.load(Recipe(Engine.SCANN, IndexType.IVF_FLAT, 70), directory, Metric.L2)
positions = index.search(np.load(directory / "queries.npy"), 10, 20, 100).positions.tolist()
print(json.dumps([avx2_switch(installed_scann()).value, positions]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    used_avx2, there = json.loads(done.stdout.splitlines()[-1])
    assert not used_avx2
    here = index.search(rows[:200], 10, 20, 100).positions
    # Sums of floats in another order may swap neighbours that are equally far.
    assert (np.array(there) == here).mean() > 0.99
