"""Yardsticks of filtered search: faiss and hnswlib, which take the ids of the rows that match into the search itself.

Built and searched in a process of its own, on one thread, at the least effort of a ladder that finds enough.
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final

import numpy as np

from bench.bare import BATCH
from bench.data import Ids, K, Restriction, Source, Vectors, recall

_LEAST: Final = 8
_LINKS: Final = 16
_EF_CONSTRUCTION: Final = 200
# A graph over more rows takes minutes to build.
_GRAPH_ROWS_MAX: Final = 200_000

# What searches queries (nq, d) with an effort, and gives positions int64 (nq, K).
_Search = Callable[[Vectors, int], Ids]


def measure_selectors(
    source: Source, restrictions: list[Restriction], truths: list[Ids], recall_min: float, seconds: float, threads: int
) -> list[dict[str, str]]:
    """For each restriction what each library found, and how fast, by name; `truths` hold positions. Building uses `threads` threads."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        return apart.submit(_measure, source, restrictions, truths, recall_min, seconds, threads).result()


def _measure(
    source: Source, restrictions: list[Restriction], truths: list[Ids], recall_min: float, seconds: float, threads: int
) -> list[dict[str, str]]:
    data = source.open()
    base = np.ascontiguousarray(data.base)
    found: list[dict[str, str]] = [{} for _ in restrictions]
    for name, restricted, effort_max in _libraries(source, base, threads):
        for number, (restriction, truth) in enumerate(zip(restrictions, truths, strict=True)):
            search = restricted(restriction.rows)
            found[number][name] = _at_enough(search, data.queries, truth, recall_min, effort_max, seconds)
    return found


def _at_enough(search: _Search, queries: Vectors, truth: Ids, recall_min: float, effort_max: int, seconds: float) -> str:
    """Recall and speed, at the least effort with enough recall, or at the greatest."""
    effort, some = _LEAST, slice(0, BATCH)
    while effort < effort_max and recall(search(queries[some], effort), truth[some]) < recall_min:
        effort *= 2
    found: Ids = np.full((len(queries), K), -1, np.int64)
    searched, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        at = searched % (len(queries) - BATCH + 1)
        found[at : at + BATCH] = search(queries[at : at + BATCH], effort)
        searched += BATCH
    rate = searched / (time.perf_counter() - begun)
    answered = (found >= 0).any(axis=1)
    return f"{rate:,.0f}/s at {recall(found[answered], truth[answered]):.3f}"


def _libraries(source: Source, base: Vectors, threads: int) -> Iterator[tuple[str, Callable[[Ids], _Search], int]]:
    """Name, what makes a search restricted to some rows, and the greatest effort."""
    faiss = importlib.import_module("faiss")
    measure = faiss.METRIC_L2 if source.metric == "l2" else faiss.METRIC_INNER_PRODUCT
    faiss.omp_set_num_threads(threads)
    leaves = source.index_params["nlist"]
    partitions: Any = faiss.index_factory(base.shape[1], f"IVF{leaves},Flat", measure)
    partitions.train(base)
    partitions.add(base)
    faiss.omp_set_num_threads(1)
    yield "faiss IVF,Flat", lambda rows: _in_faiss(partitions, base, rows, faiss.SearchParametersIVF, "nprobe"), leaves
    if len(base) > _GRAPH_ROWS_MAX:
        return
    faiss.omp_set_num_threads(threads)
    graph: Any = faiss.index_factory(base.shape[1], f"HNSW{_LINKS},Flat", measure)
    graph.hnsw.efConstruction = _EF_CONSTRUCTION
    graph.add(base)
    faiss.omp_set_num_threads(1)
    yield "faiss HNSW", lambda rows: _in_faiss(graph, base, rows, faiss.SearchParametersHNSW, "efSearch"), len(base) // 8
    if importlib.util.find_spec("hnswlib") is not None:
        hnswlib = importlib.import_module("hnswlib")
        walked: Any = hnswlib.Index("l2" if source.metric == "l2" else "ip", base.shape[1])
        walked.init_index(len(base), M=_LINKS, ef_construction=_EF_CONSTRUCTION)
        walked.add_items(base, num_threads=threads)
        yield "hnswlib", lambda rows: _in_hnswlib(walked, base, rows), len(base) // 8


def _in_faiss(index: Any, base: Vectors, rows: Ids, parameters: Any, effort_name: str) -> _Search:
    faiss = importlib.import_module("faiss")
    mask = np.zeros(len(base), np.bool_)
    mask[rows] = True
    selector = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))

    def search(queries: Vectors, effort: int) -> Ids:
        return np.asarray(index.search(queries, K, params=parameters(sel=selector, **{effort_name: effort}))[1], np.int64)

    return search


def _in_hnswlib(index: Any, base: Vectors, rows: Ids) -> _Search:
    mask = np.zeros(len(base), np.bool_)
    mask[rows] = True
    matches = mask.tolist()

    def search(queries: Vectors, effort: int) -> Ids:
        index.set_ef(max(effort, K))
        found: Ids = np.full((len(queries), K), -1, np.int64)
        for number, query in enumerate(queries):
            try:
                labels, _ = index.knn_query(query, min(K, len(rows)), num_threads=1, filter=matches.__getitem__)
            except RuntimeError:  # It found fewer.
                continue
            found[number, : labels.shape[1]] = labels[0]
        return found

    return search
