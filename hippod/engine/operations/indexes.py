"""Requests and results about vector indexes and their life: create, activate, release, load, rebuild, drop."""

from __future__ import annotations

import enum
from typing import Any, Final

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result


class Metric(enum.StrEnum):
    """How vectors are compared. L2, IP and COSINE: float vectors; HAMMING and JACCARD: binary ones; IP: sparse ones.

    L2: squared Euclidean distance. HAMMING: number of bits that differ. JACCARD: 1 - |a and b| / |a or b|, 0 for two vectors without a bit.
    """

    L2 = "l2"
    IP = "ip"
    COSINE = "cosine"
    HAMMING = "hamming"
    JACCARD = "jaccard"

    @property
    def is_distance(self) -> bool:
        """Whether less is nearer: scores ascend."""
        return self in (Metric.L2, Metric.HAMMING, Metric.JACCARD)

    @property
    def is_binary(self) -> bool:
        """Whether it compares binary vectors."""
        return self in (Metric.HAMMING, Metric.JACCARD)


class IndexType(enum.StrEnum):
    """How an index finds what is near; see docs/indexes.md. AUTO: the quickest of some, by measuring."""

    AUTO = "AUTO"
    FLAT = "FLAT"
    IVF_FLAT = "IVF_FLAT"
    IVF_SQ = "IVF_SQ"
    IVF_PQ = "IVF_PQ"
    IVF_PQ_FS = "IVF_PQ_FS"
    HNSW = "HNSW"
    ANNOY = "ANNOY"
    BIN_FLAT = "BIN_FLAT"
    BIN_IVF = "BIN_IVF"
    BIN_HNSW = "BIN_HNSW"
    SPARSE_HNSW = "SPARSE_HNSW"


BINARY_TYPES: Final = frozenset({IndexType.BIN_FLAT, IndexType.BIN_IVF, IndexType.BIN_HNSW})


class IndexState(enum.StrEnum):
    """CREATED: only a definition. BUILDING: answers exactly while it trains. ACTIVE: answers. RELEASED: not in memory."""

    CREATED = "created"
    BUILDING = "building"
    ACTIVE = "active"
    RELEASED = "released"


class CreateIndex(Operation, frozen=True, tag="create_index"):
    """Define an index; nothing is built before it is activated. `type` and `metric` in any case; without a metric it is l2 for float
    vectors, hamming for binary ones, ip for sparse ones. `params` by type: nlist, nprobe and reorder of the IVF types, m of the PQ ones,
    nbits of IVF_PQ, sq_type of IVF_SQ, index_slow_refine of both; M, ef_construction and ef_search of the graphs; nprobe, reorder and
    ef_search of AUTO. Keys of other types are ignored."""

    table: str
    index: str
    field: str
    type: str = "AUTO"
    metric: str | None = None
    params: dict[str, Any] = {}
    database: str = DEFAULT_DATABASE


class ActivateIndex(Operation, frozen=True, tag="activate_index"):
    """Build the index in a job and keep it up to date from then on.

    `wait`: answer when the job has ended, with its error if it failed; if the deadline comes first, with the state of the job, which
    goes on. Without it the answer is the job at once.
    """

    table: str
    index: str
    wait: bool = True
    database: str = DEFAULT_DATABASE


class RebuildIndex(Operation, frozen=True, tag="rebuild_index"):
    """Train an active index anew over the rows of now, in a job; it answers as before meanwhile. `wait` as in activate_index."""

    table: str
    index: str
    wait: bool = True
    database: str = DEFAULT_DATABASE


class CompactIndex(Operation, frozen=True, tag="compact_index"):
    """Train an active index anew if rows died since it was trained, in a job; it answers as before meanwhile. `wait` as in
    activate_index."""

    table: str
    index: str
    wait: bool = True
    database: str = DEFAULT_DATABASE


class SetAutoCompaction(Operation, frozen=True, tag="set_auto_compaction"):
    """Whether an index trains anew by itself when too much changed since it was trained, which is so for a new index. It stays so over
    restarts; what is being trained already is not stopped."""

    table: str
    index: str
    enabled: bool
    database: str = DEFAULT_DATABASE


class LoadIndex(Operation, frozen=True, tag="load_index"):
    """Bring a released index back into memory, in a job. `wait` as in activate_index."""

    table: str
    index: str
    wait: bool = True
    database: str = DEFAULT_DATABASE


class ReleaseIndex(Operation, frozen=True, tag="release_index"):
    """Take an active index out of memory, in a job; searches are refused with WRONG_STATE until it is loaded. It stays so over restarts.
    `wait` as in activate_index."""

    table: str
    index: str
    wait: bool = True
    database: str = DEFAULT_DATABASE


class DropIndex(Operation, frozen=True, tag="drop_index"):
    """Remove an index and its files; the rows stay."""

    table: str
    index: str
    database: str = DEFAULT_DATABASE


class ListIndexes(Operation, frozen=True, tag="list_indexes"):
    """The indexes of a table with their state."""

    is_read = True
    table: str
    database: str = DEFAULT_DATABASE


class IndexInfo(Result, frozen=True):
    """`vectors` held by the trained part; `fresh` searched exactly beside it until absorbed; `removed` died since it was trained. `engine`
    says what answers now, `building` what is being built to take its place, empty if nothing is. `memory_bytes` are of the index hosts,
    `bytes_per_vector` the share of it that each vector in the trained part has: its codes, links and places."""

    index: str
    field: str
    type: str
    metric: str
    params: dict[str, Any]
    state: str
    engine: str
    vectors: int
    fresh: int
    memory_bytes: int
    removed: int
    building: str
    bytes_per_vector: float
    auto_compaction: bool


class IndexList(Result, frozen=True):
    """In the order in which they were created."""

    indexes: list[IndexInfo]
