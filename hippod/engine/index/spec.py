"""What an index is asked to be and how a search may tune it: type, metric and the parameters with their ranges and defaults.

Only the parameters of the chosen type are looked at; search parameters given at creation are the defaults of searches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from hippod.engine.index.parameters import flag, member, whole
from hippod.engine.index.recipe import Engine, Recipe, ScalarCode, available_engines
from hippod.engine.index.suitable import type_and_metric
from hippod.engine.operations.indexes import IndexType, Metric
from hippod.engine.schema import DataType, Field
from hippod.errors import Rejected

NLIST_MAX: Final = 65_536
REORDER_MAX: Final = 1_000_000
LINKS_MIN: Final = 4
LINKS_MAX: Final = 96
EF_CONSTRUCTION_MIN: Final = 8
EF_CONSTRUCTION_MAX: Final = 512
EF_SEARCH_MAX: Final = 32_768
NBITS_MAX: Final = 16

LINKS_DEFAULT: Final = 16
EF_CONSTRUCTION_DEFAULT: Final = 200
_EF_SEARCH_LEAST: Final = 64
_NBITS_DEFAULT: Final = 8
_FAST_SCAN_NBITS: Final = 4
_ROWS_PER_LEAF_MIN: Final = 16
# A codebook is only as good as its training: so many rows for each of its entries at least.
_ROWS_PER_CODE_MIN: Final = 32
_PQ_DIMENSIONS: Final = 4
_FAST_SCAN_DIMENSIONS: Final = 2

GRAPHS: Final = frozenset({IndexType.HNSW, IndexType.ANNOY, IndexType.BIN_HNSW})
AUTO_ROWS_MIN: Final = 1_024
# What AUTO measures, by the kind of vectors.
_AUTO_TYPES: Final = {
    DataType.FLOAT_VECTOR: (IndexType.IVF_PQ_FS, IndexType.HNSW),
    DataType.BINARY_VECTOR: (IndexType.BIN_IVF, IndexType.BIN_HNSW),
    DataType.SPARSE_FLOAT_VECTOR: (),
}
_SCALAR_CODES: Final = {"INT8": ScalarCode.SQ8, "BFLOAT16": ScalarCode.BF16, "FLOAT16": ScalarCode.FP16}
# Nothing is trained for these, every search is exact; for people: what answers.
_EXACT_TYPES: Final = {
    IndexType.FLAT: "exact",
    IndexType.BIN_FLAT: "exact",
    IndexType.SPARSE_HNSW: "inverted index: exact inner products",
}
_EXACT_FOR_SPARSE: Final = "inverted index that serves {}: exact inner products, for which only entries that a query shares are read"
_EXACT_FOR_JACCARD: Final = "exact scan that serves {}: of sets, what is near by jaccard is too often far by hamming, all that faiss knows"


class Tuning(NamedTuple):
    """How one search uses a trained index: the `effort` it makes (leaves visited, or the length of a graph's candidate list) and
    how many candidates it reorders by their exact scores. What it means is the engine's; more of either finds more, and slower."""

    effort: int
    reorder: int

    def reaching(self, k: int, recipe: Recipe) -> Tuning:
        """The same, or as much more as it takes to come back with k rows."""
        return Tuning(max(self.effort, k) if recipe.is_graph else self.effort, max(self.reorder, k))


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """An index definition. None: the parameter was not given or is not one of the type. Named as in `recipe.Recipe`, and

    vectors, dimension: type of the field that is indexed, and the dimension of its vectors (0: sparse ones have none)
    nprobe, ef_search, reorder: defaults of searches; refines: codes only preselect, more candidates than k are scored exactly
    """

    type: IndexType
    metric: Metric
    vectors: DataType
    dimension: int
    nlist: int | None = None
    nprobe: int | None = None
    reorder: int | None = None
    subspaces: int | None = None
    nbits: int | None = None
    scalar_code: ScalarCode | None = None
    refines: bool = False
    links: int | None = None
    ef_construction: int | None = None
    ef_search: int | None = None

    @classmethod
    def of(cls, type_name: str, metric_name: str | None, params: Mapping[str, Any], field: Field) -> IndexSpec:
        """The definition from what a client sent; without a metric, the first one that `field` can have. Raises Rejected with the
        parameter and its range."""
        kind, metric = type_and_metric(type_name, metric_name, field)
        made = cls(kind, metric, field.type, field.dimension or 0)
        if kind in _EXACT_TYPES:
            return made
        if kind is IndexType.AUTO:
            return replace(
                made,
                nprobe=whole(params, "nprobe", 1, NLIST_MAX),
                reorder=made._reorder(params),
                ef_search=whole(params, "ef_search", 1, EF_SEARCH_MAX),
            )
        if kind in GRAPHS:
            return replace(
                made,
                links=whole(params, "M", LINKS_MIN, LINKS_MAX),
                ef_construction=whole(params, "ef_construction", EF_CONSTRUCTION_MIN, EF_CONSTRUCTION_MAX),
                ef_search=whole(params, "ef_search", 1, EF_SEARCH_MAX),
            )
        nlist = whole(params, "nlist", 1, NLIST_MAX)
        return replace(
            made,
            nlist=nlist,
            nprobe=whole(params, "nprobe", 1, nlist or NLIST_MAX),
            reorder=made._reorder(params),
            subspaces=_subspaces(params, made.dimension) if kind in (IndexType.IVF_PQ, IndexType.IVF_PQ_FS) else None,
            nbits=whole(params, "nbits", 1, NBITS_MAX) if kind is IndexType.IVF_PQ else None,
            scalar_code=_scalar_code(params) if kind is IndexType.IVF_SQ else None,
            refines=flag(params, "index_slow_refine") if kind in (IndexType.IVF_SQ, IndexType.IVF_PQ) else False,
        )

    @property
    def answers_exactly(self) -> str:
        """For people: what answers where nothing is ever trained; empty where something is."""
        if self.type in _EXACT_TYPES:
            return _EXACT_TYPES[self.type]
        if self.vectors is DataType.SPARSE_FLOAT_VECTOR:
            return _EXACT_FOR_SPARSE.format(self.type.value)
        return _EXACT_FOR_JACCARD.format(self.type.value) if self.metric is Metric.JACCARD else ""

    def candidates(self, rows: int) -> tuple[Recipe, ...]:
        """What could be built over so many rows: what AUTO measures, else one thing; nothing: search exactly."""
        if self.type is IndexType.AUTO and rows < AUTO_ROWS_MIN:
            return ()
        found = (replace(self, type=kind).recipe(rows) for kind in self._kinds)
        return tuple(recipe for recipe in found if recipe is not None)

    @property
    def _kinds(self) -> tuple[IndexType, ...]:
        """Types of what could be built."""
        return _AUTO_TYPES[self.vectors] if self.type is IndexType.AUTO else (self.type,)

    def recipe(self, rows: int) -> Recipe | None:
        """What to build over so many rows for a type that is not AUTO; None: nothing, search exactly."""
        engines = available_engines()
        if self.answers_exactly:
            return None
        if self.type in GRAPHS and Engine.FAISS in engines:
            links, ef_construction = self.links or LINKS_DEFAULT, self.ef_construction or EF_CONSTRUCTION_DEFAULT
            return Recipe(Engine.FAISS, self.type, links=links, ef_construction=ef_construction)
        leaves = max(1, min(self.nlist or round(math.sqrt(rows)), rows // _ROWS_PER_LEAF_MIN, NLIST_MAX))
        engine = Engine.SCANN if self.type in (IndexType.IVF_FLAT, IndexType.IVF_PQ_FS) and Engine.SCANN in engines else Engine.FAISS
        if leaves == 1 or engine not in engines:
            return None
        if self.type is IndexType.IVF_PQ_FS:
            subspaces = self.subspaces or _fast_scan_subspaces(self.dimension, engine)
            spills = engine is Engine.SCANN and self.metric is not Metric.L2
            return Recipe(engine, self.type, leaves, subspaces, _FAST_SCAN_NBITS, spills=spills)
        if self.type is IndexType.IVF_PQ:
            nbits = max(1, min(self.nbits or _NBITS_DEFAULT, int(math.log2(rows / _ROWS_PER_CODE_MIN))))
            return Recipe(engine, self.type, leaves, self.subspaces or _divisor(self.dimension, _PQ_DIMENSIONS), nbits)
        return Recipe(engine, self.type, leaves, scalar_code=self.scalar_code)

    def tuning(self, params: Mapping[str, Any], k: int, recipe: Recipe) -> Tuning:
        """The tuning of a search for k rows in an index so built. Raises Rejected for values out of range."""
        if recipe.is_graph:
            effort = whole(params, "ef_search", k, EF_SEARCH_MAX) if params else None
            return Tuning(effort or max(self.ef_search or default_ef_search(k), k), k)
        nprobe = (whole(params, "nprobe", 1, NLIST_MAX) if params else None) or self.nprobe or default_nprobe(recipe.leaves)
        reorder = self._reorder(params) if params else None
        if reorder is not None and reorder < k:
            raise Rejected(f"reorder is at least k = {k}, not {reorder}", parameter="reorder")
        return Tuning(nprobe, max(reorder or self.reorder or self._default_reorder(k), k))

    def check_search(self, params: Mapping[str, Any], k: int) -> None:
        """Raise Rejected for search parameters that no state of the index would take."""
        if not params or self.answers_exactly:
            return
        for kind in self._kinds:
            by_links = kind in GRAPHS
            self.tuning(params, k, Recipe(Engine.FAISS, kind, links=LINKS_MIN if by_links else 0, leaves=0 if by_links else NLIST_MAX))

    def _reorder(self, params: Mapping[str, Any]) -> int | None:
        """Nothing for binary vectors, whose scores are exact when they are found."""
        return None if self.vectors is DataType.BINARY_VECTOR else whole(params, "reorder", 1, REORDER_MAX)

    def _default_reorder(self, k: int) -> int:
        if self.type in (IndexType.IVF_SQ, IndexType.IVF_PQ) and not self.refines:
            return k
        return default_reorder(k, self.metric)


def default_nprobe(leaves: int) -> int:
    """Leaves visited when nobody says: about 0.95 of the true ten on text embeddings."""
    return max(1, min(leaves, round(1.9 * math.sqrt(leaves))))


def default_reorder(k: int, metric: Metric) -> int:
    """Candidates scored exactly when nobody says. L2 needs twice as many: ScaNN codes residuals only for dot products."""
    factor = 2 if metric is Metric.L2 else 1
    return factor * max(60, min(6 * k, k + 600))


def default_ef_search(k: int) -> int:
    """Candidates a walk through a graph keeps when nobody says."""
    return max(_EF_SEARCH_LEAST, k + k // 2)


def _subspaces(params: Mapping[str, Any], dimension: int) -> int | None:
    m = whole(params, "m", 1, dimension)
    if m is not None and dimension % m:
        raise Rejected(f"m divides the dimension {dimension}, which {m} does not", parameter="m")
    return m


def _scalar_code(params: Mapping[str, Any]) -> ScalarCode:
    name = params.get("sq_type")
    if name is None:
        return ScalarCode.SQ8
    if not isinstance(name, str):
        raise Rejected(f"sq_type is a text, one of {', '.join(ScalarCode)}, not {str(name)[:40]!r}", parameter="sq_type")
    return _SCALAR_CODES.get(name.upper()) or member(ScalarCode, "sq_type", name.upper())


def _fast_scan_subspaces(dimension: int, engine: Engine) -> int:
    """ScaNN takes a shorter last subspace, faiss only equal ones."""
    return math.ceil(dimension / _FAST_SCAN_DIMENSIONS) if engine is Engine.SCANN else _divisor(dimension, _FAST_SCAN_DIMENSIONS)


def _divisor(dimension: int, part: int) -> int:
    """The number of subspaces of about `part` dimensions each, never less, that divides the dimension."""
    return next(m for m in range(max(1, dimension // part), 0, -1) if dimension % m == 0)
