"""What exactly a host builds: the engine and its build parameters, as the server hands them over and as saved indexes carry them."""

from __future__ import annotations

import enum
import importlib.util
import math
from functools import cache
from typing import Final

import msgspec

from hippod.engine.operations.indexes import BINARY_TYPES, IndexType

# At an effort of this share of the rows a graph walks further than an exact search does.
_GRAPH_EFFORT_SHARE: Final = 8
# Beside its code a vector has a number in each leaf that holds it, and its place in the tables of a host; in a graph four bytes a link.
_SCANN_NUMBER_BYTES: Final = 12
_FAISS_NUMBER_BYTES: Final = 8
_GRAPH_NUMBER_BYTES: Final = 12
_LINK_BYTES: Final = 4
_PLACE_BYTES: Final = 18


class Engine(enum.StrEnum):
    """The outside libraries that trained indexes are built on."""

    SCANN = "scann"
    FAISS = "faiss"


class ScalarCode(enum.StrEnum):
    """How IVF_SQ stores a component: 4, 6 or 8 bits between the least and the greatest seen in training, or a short float."""

    SQ4 = "SQ4"
    SQ6 = "SQ6"
    SQ8 = "SQ8"
    FP16 = "FP16"
    BF16 = "BF16"


_MADE_FOR_SCANN: Final = frozenset({IndexType.IVF_FLAT, IndexType.IVF_PQ_FS})
_SCALAR_BITS: Final = {ScalarCode.SQ4: 4, ScalarCode.SQ6: 6, ScalarCode.SQ8: 8, ScalarCode.FP16: 16, ScalarCode.BF16: 16}


class Recipe(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one index is built.

    type: what is built, never AUTO; ANNOY is built as the graph of HNSW
    leaves: partitions of the rows, of which a search visits some; 0 for a graph
    subspaces, nbits: codes of IVF_PQ and IVF_PQ_FS: so many parts of a vector, each coded in so many bits
    scalar_code: code of IVF_SQ
    links, ef_construction: of a graph: neighbours a row is linked to (twice as many on the lowest level), candidates looked at for them
    spills: every row is in two leaves (SOAR)
    reason: why AUTO chose it, for people; empty where the user did
    """

    engine: Engine
    type: IndexType
    leaves: int = 0
    subspaces: int = 0
    nbits: int = 0
    scalar_code: ScalarCode | None = None
    links: int = 0
    ef_construction: int = 0
    spills: bool = False
    reason: str = ""

    @property
    def is_graph(self) -> bool:
        return self.links > 0

    @property
    def can_delete(self) -> bool:
        """Whether what is built can forget rows; else it only grows and its dead are masked until it is built anew."""
        return self.engine is Engine.SCANN and not self.spills

    @property
    def reorders(self) -> bool:
        """Whether codes find candidates, of which a search says how many are scored exactly; else all that is found is."""
        is_coded = self.engine is Engine.SCANN or self.type is not IndexType.IVF_FLAT
        return is_coded and not self.is_graph and self.type not in BINARY_TYPES

    def effort_max(self, rows: int) -> int:
        """From this effort on, an exact search over so many rows is the better way."""
        return max(1, rows // _GRAPH_EFFORT_SHARE) if self.is_graph else self.leaves

    def bytes_per_vector(self, dimension: int) -> float:
        """Memory of a host for each vector of so many dimensions: what grows with them, so without centres and codebooks."""
        raw_bits = dimension if self.type in BINARY_TYPES else 32 * dimension
        raw = raw_bits / 8
        if self.is_graph:
            upper = self.links / (self.links - 1)
            return raw + _LINK_BYTES * (2 * self.links + upper) + _GRAPH_NUMBER_BYTES + _PLACE_BYTES
        if self.engine is Engine.SCANN:
            code = math.ceil((self.subspaces or math.ceil(dimension / 2)) / 2)
            kept = raw if self.type is IndexType.IVF_FLAT else 0.0
            return kept + (2 if self.spills else 1) * (code + _SCANN_NUMBER_BYTES) + _PLACE_BYTES
        coded = 0 if self.scalar_code is None else dimension * _SCALAR_BITS[self.scalar_code]
        code_bits = coded or self.subspaces * self.nbits or raw_bits
        return math.ceil(code_bits / 8) + _FAISS_NUMBER_BYTES + _PLACE_BYTES

    def text(self) -> str:
        """For people: what answers."""
        missing = "ScaNN is not installed here" if self.engine is Engine.FAISS and self.type in _MADE_FOR_SCANN else ""
        return "; ".join(filter(None, (self._built(), missing, self.reason)))

    def _built(self) -> str:
        name = {Engine.SCANN: "ScaNN", Engine.FAISS: "faiss"}[self.engine]
        if self.is_graph:
            serves = " that serves ANNOY" if self.type is IndexType.ANNOY else ""
            return f"{name}: HNSW graph{serves}, M {self.links}, ef_construction {self.ef_construction}"
        return f"{name}: {self.leaves} leaves{' with spilling (SOAR)' if self.spills else ''}, {self._codes()}"

    def _codes(self) -> str:
        if self.scalar_code is not None:
            return f"{self.scalar_code} codes, scored exactly at last"
        if self.type in BINARY_TYPES:
            return "bits"
        if self.nbits:
            anisotropic = "anisotropic " if self.spills else ""
            return f"{anisotropic}codes of {self.subspaces} x {self.nbits} bits, scored exactly at last"
        return "4-bit codes, reordered by floats" if self.engine is Engine.SCANN else "floats"


@cache
def available_engines() -> frozenset[Engine]:
    """The engines installed on this platform, without loading any of them."""
    return frozenset(engine for engine in Engine if importlib.util.find_spec(engine.value) is not None)
