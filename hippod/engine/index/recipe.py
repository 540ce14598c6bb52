"""What exactly a host builds: the engine and its build parameters, as the server hands them over and as saved indexes carry them."""

from __future__ import annotations

import enum
import importlib.util
from functools import cache

import msgspec

from hippod.engine.operations.indexes import IndexType


class Engine(enum.StrEnum):
    """The outside libraries that trained indexes are built on."""

    SCANN = "scann"


class Recipe(msgspec.Struct, frozen=True, omit_defaults=True):
    """`type` is what is built. `leaves`: partitions of the rows, a search visits some of them."""

    engine: Engine
    type: IndexType
    leaves: int

    def text(self) -> str:
        """For people: what answers."""
        return f"ScaNN: {self.leaves} leaves, 4-bit codes, exact reordering"


@cache
def available_engines() -> frozenset[Engine]:
    """The engines installed on this platform, without loading any of them."""
    return frozenset(engine for engine in Engine if importlib.util.find_spec(engine.value) is not None)
