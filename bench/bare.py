"""Index types in the libraries that they are built on, without anything of hippod: built and searched in a process of its own.

The libraries reorder with floats of their own, as they do for everybody who uses them directly. ScaNN runs on the kernels that the server
chooses for it, which makes it quicker than it is as installed. Bits are searched by faiss's binary
indexes, sparse vectors by sparse_dot_topn: the product of sparse matrices, of which only the greatest elements are kept.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from bench.data import Ids, K, Source, recall
from hippod.engine.index.scann_kernels import scann_library
from hippod_client import SparseVectors

BATCH: Final = 100
_SAMPLE_ROWS: Final = 100_000
_CODE_SAMPLE_ROWS: Final = 50_000

# Of queries (nq, ...) as the rows are, with an effort: the positions of the K nearest, int64 (nq, K), -1 where nothing was found.
Search = Callable[[Any, int], Ids]


class Point(NamedTuple):
    """Searching in batches with this effort (nprobe, ef_search, or a promised recall) finds so much so fast."""

    effort: float
    recall: float
    per_second: float


class Curve(NamedTuple):
    """`points` in the order of their efforts."""

    build_s: float
    points: list[Point]


@dataclass(frozen=True)
class Library:
    """How a library is asked for an index: `factory` is the text that faiss knows it by; empty: ScaNN, with every row in two leaves if it
    `spills`, or of sparse vectors sparse_dot_topn. `leaves` 0: a graph with `ef_construction`, and without that an exact search."""

    factory: str
    leaves: int = 0
    spills: bool = False
    ef_construction: int = 0


def measure_bare(library: Library, source: Source, reorder: int, efforts: tuple[float, ...], seconds: float, threads: int) -> Curve:
    """Build on `threads` threads, search on one; each effort for `seconds`."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        return apart.submit(_measure, library, source, reorder, efforts, seconds, threads).result()


def _measure(library: Library, source: Source, reorder: int, efforts: tuple[float, ...], seconds: float, threads: int) -> Curve:
    data = source.open()
    base = data.base if isinstance(data.base, SparseVectors) else np.ascontiguousarray(data.base)
    started = time.perf_counter()
    search = _builder(library, base)(library, base, source.metric, reorder, threads)
    build_s = time.perf_counter() - started
    points = []
    for effort in efforts:
        found: Ids = np.full((len(data.queries), K), -1, np.int64)
        searched, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            for at in range(0, len(data.queries) - BATCH + 1, BATCH):
                places = search(data.queries[at : at + BATCH], int(effort))
                found[at : at + BATCH] = np.where(places >= 0, data.ids[places], -1)
                searched += BATCH
        rate = searched / (time.perf_counter() - begun)
        answered = found[:, 0] >= 0
        points.append(Point(effort, recall(found[answered], data.truth[answered]), rate))
    return Curve(build_s, points)


def _builder(library: Library, base: Any) -> Callable[[Library, Any, str, int, int], Search]:
    if isinstance(base, SparseVectors):
        return _sparse_dot_topn
    if base.dtype == np.uint8:
        return _faiss_binary
    return _faiss if library.factory else _scann


def _scann(library: Library, base: Any, metric: str, reorder: int, threads: int) -> Search:
    builders = importlib.import_module("scann.scann_ops.py.scann_ops_pybind")
    is_l2 = metric == "l2"
    builder = builders.builder(base, K, "squared_l2" if is_l2 else "dot_product")
    spilling = {"soar_lambda": 1.5, "overretrieve_factor": 2.0} if library.spills else {}
    builder.tree(library.leaves, library.leaves, training_sample_size=min(len(base), _SAMPLE_ROWS), min_partition_size=8, **spilling)
    threshold = float("nan") if is_l2 else 0.2
    builder.score_ah(2, anisotropic_quantization_threshold=threshold, training_sample_size=min(len(base), _CODE_SAMPLE_ROWS))
    builder.reorder(reorder)
    index = scann_library().ScannNumpy(base, builder.create_config(), threads)

    def search(queries: Any, effort: int) -> Ids:
        return np.asarray(index.search_batched(queries, K, reorder, effort, False, 0)[0], np.int64)

    return search


def _loaded_faiss(threads: int) -> Any:
    # Threads of a pool that spin while they wait take the processor from those that work; and products of matrices would have threads of
    # their own, also in a search on one thread.
    os.environ.update(OMP_WAIT_POLICY="PASSIVE", OPENBLAS_NUM_THREADS="1")
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(threads)
    return faiss


def _faiss(library: Library, base: Any, metric: str, reorder: int, threads: int) -> Search:
    faiss = _loaded_faiss(threads)
    measure = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    index: Any = faiss.index_factory(base.shape[1], library.factory, measure)
    if library.ef_construction:
        index.hnsw.efConstruction = library.ef_construction
    index.train(base)
    index.add(base)
    faiss.omp_set_num_threads(1)

    def parameters(effort: int) -> Any:
        if library.ef_construction:
            return faiss.SearchParametersHNSW(efSearch=effort)
        if not library.leaves:
            return None
        inner = faiss.SearchParametersIVF(nprobe=effort)
        if isinstance(index, faiss.IndexRefine):
            return faiss.IndexRefineSearchParameters(k_factor=reorder / K, base_index_params=inner)
        return inner

    def search(queries: Any, effort: int) -> Ids:
        return np.asarray(index.search(queries, K, params=parameters(effort))[1], np.int64)

    return search


def _faiss_binary(library: Library, base: Any, metric: str, reorder: int, threads: int) -> Search:  # noqa: ARG001 - scores are exact
    faiss = _loaded_faiss(threads)
    made = faiss.index_binary_factory(8 * base.shape[1], library.factory)
    # It lives as long as the process does; else it would end here, and what it is by its own type with it.
    made.this.disown()
    index: Any = faiss.downcast_IndexBinary(made)
    if library.ef_construction:
        index.hnsw.efConstruction = library.ef_construction
    index.train(base)
    index.add(base)
    faiss.omp_set_num_threads(1)

    def search(queries: Any, effort: int) -> Ids:
        if library.ef_construction:
            index.hnsw.efSearch = effort
        elif library.leaves:
            index.nprobe = effort
        return np.asarray(index.search(queries, K)[1], np.int64)

    return search


def _sparse_dot_topn(library: Library, base: Any, metric: str, reorder: int, threads: int) -> Search:  # noqa: ARG001 - always exact, ip
    sparse, topn = importlib.import_module("scipy.sparse"), importlib.import_module("sparse_dot_topn")
    words = int(base.indices.max()) + 1

    def matrix(vectors: SparseVectors) -> Any:
        return sparse.csr_matrix((vectors.values, vectors.indices.astype(np.int32), vectors.indptr), (len(vectors), words))

    rows_by_word = matrix(base).T.tocsr()

    def search(queries: Any, effort: int) -> Ids:  # noqa: ARG001 - always exact
        product = topn.sp_matmul_topn(matrix(queries), rows_by_word, top_n=K, sort=True)
        found: Ids = np.full((len(queries), K), -1, np.int64)
        found[np.arange(K) < np.diff(product.indptr)[:, None]] = product.indices
        return found

    return search
