"""What every engine of a trained index looks like to the rest of a host: points at positions 0..n-1, and the nearest of them.

    recipe    what to build: type, engine and build parameters, chosen by the server (see recipe.py)
    engines   `train(recipe, ...)` and `load(recipe, ...)` give a PointIndex; one module per outside library
    TrainedPart maps positions to slots, masks the dead, searches the fresh rows beside it, and scores exactly

An engine is a class with the members of PointIndex and two constructors of the same shape:

    train(recipe, rows, metric, threads)    over rows (n, d), position i being row i
    load(recipe, directory, metric)         what `save` wrote; the files are known to be whole

To add one: write the class in a module that is the only home of its library and imports it inside functions (the server process
looks at recipes only and must not load engines), name it in `recipe.Engine`, and enter it in `engines`.

An engine is used from one thread and never searches while it changes. It may assume what TrainedPart sees to: rows are finite,
C-contiguous and of the right width, 1 <= k <= size, effort >= 1, positions are distinct and exist. It is never told who died
except by `delete`, and only if `can_delete`: otherwise it just grows, TrainedPart masks its dead, and it is built anew at the
deletion share of the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hippod.engine.index.vectors import Vectors


class Candidates(NamedTuple):
    """Found for nq queries: positions (nq, k) of any integer type, scores float32 (nq, k), counts int32 (nq,); best first,
    padding (position 0, score 0) behind counts."""

    positions: npt.NDArray[np.integer]
    scores: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int32]


class PointIndex(Protocol):
    """See the module. Which way is best is the metric's: L2 ascends, the similarities descend."""

    @property
    def size(self) -> int:
        """Points held."""

    @property
    def can_delete(self) -> bool:
        """Whether `delete` may be called."""

    @property
    def is_exact(self) -> bool:
        """Whether the scores found are exact. Else TrainedPart asks for as many candidates as it reorders and scores them itself."""

    @property
    def effort_max(self) -> int:
        """At this effort a search sees everything it can."""

    def search(self, queries: Vectors, k: int, effort: int, reorder: int) -> Candidates:
        """The k best of each query (nq, d). `effort`: leaves to visit, or the length of a graph's candidate list. `reorder`, at
        least k: candidates that an index with floats of its own scores by them, where codes come first."""

    def append(self, rows: Vectors) -> None:
        """Add points at positions size.. ."""

    def delete(self, positions: list[int]) -> None:
        """Delete one after the other; each hole is filled by the then last point."""

    def save(self, directory: Path) -> None:
        """Write all files into an empty directory; not synced."""
