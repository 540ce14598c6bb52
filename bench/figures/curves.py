"""Each index type as it is with its default build parameters: recall against speed in batches, memory of a vector, and time to build,
beside the library that it is built on, or that does the same where it is built on none: faiss's exact indexes for FLAT and BIN_FLAT,
sparse_dot_topn for SPARSE_HNSW. AUTO stands beside the quickest of the others."""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from typing import Any, Final, NamedTuple

from bench.bare import BATCH, Curve, Library, Point, measure_bare
from bench.data import VECTOR_FIELD, Source
from bench.direct import recall_of
from bench.figures.base import Bench
from bench.load import TABLE, Searches, run_load
from bench.report import Row
from bench.stage import Stage
from hippod_client import DataType
from hippod_client.results import IndexInfo

_RECALL: Final = 0.95
_OF_BARE: Final = 0.9
# A graph has to be 1.5 times as quick as leaves, or AUTO takes the leaves.
_OF_QUICKEST: Final = 0.6
_TIMES_MAX: Final = 1.2
_SHARE_MAX: Final = 0.2
_CONNECTIONS: Final = 4
_PROBE_SHARES: Final = (0.02, 0.04, 0.08, 0.16, 0.32)
_EF_SEARCH: Final = (16, 24, 40, 64, 128)
_PROMISES: Final = (0.9, 0.95, 0.97)
_LINKS: Final = 16
_LOOK_S: Final = 0.05
_ROWS_OF_8_BITS: Final = 8_192
# ANNOY is served by a graph as HNSW is: that can be seen where it is soon built.
_ANNOY_ROWS_MAX: Final = 100_000
_EF_CONSTRUCTION: Final = 200


class _Kind(NamedTuple):
    """`efforts` are values of the search parameter `effort_name`; "": every search is exact, and there is one 0. `library` None: AUTO."""

    type: str
    params: dict[str, Any]
    effort_name: str
    efforts: tuple[float, ...]
    library: Library | None


class _Served(NamedTuple):
    """`calibrated_s`: for how long it went on to measure its recall once it answered."""

    curve: Curve
    info: IndexInfo
    calibrated_s: float


def _kinds(source: Source) -> list[_Kind]:
    """The types that the vectors can have, AUTO last."""
    field = next(field for field in source.fields if field.name == VECTOR_FIELD)
    rows = len(source.open().base)
    if field.type == DataType.SPARSE_FLOAT_VECTOR:
        kinds = [_Kind("SPARSE_HNSW", {}, "", (0,), Library(""))]
    elif field.type == DataType.BINARY_VECTOR:
        kinds = _binary_kinds(source.index_params["nlist"])
    else:
        kinds = _float_kinds(source, field.dimension or 0, rows)
    return [*kinds, _Kind("AUTO", {}, "recall", _PROMISES, None)]


def _float_kinds(source: Source, dimension: int, rows: int) -> list[_Kind]:
    leaves = source.index_params["nlist"]
    probes = _probes(leaves)
    by_leaves = {"nlist": leaves, "reorder": source.search_params["reorder"]}
    bits = 8 if rows >= _ROWS_OF_8_BITS else 7
    graphs = ("HNSW", "ANNOY") if rows <= _ANNOY_ROWS_MAX else ("HNSW",)
    return [
        _Kind("FLAT", {}, "", (0,), Library("Flat")),
        _Kind("IVF_FLAT", by_leaves, "nprobe", probes, Library("", leaves)),
        _Kind("IVF_PQ_FS", by_leaves, "nprobe", probes, Library("", leaves, spills=source.metric != "l2")),
        _Kind("IVF_SQ", {"nlist": leaves}, "nprobe", probes, Library(f"IVF{leaves},SQ8", leaves)),
        _Kind(
            "IVF_PQ",
            {**by_leaves, "nbits": bits, "index_slow_refine": True},
            "nprobe",
            probes,
            Library(f"IVF{leaves},PQ{dimension // 4}x{bits},RFlat", leaves),
        ),
        *(_graph(name, f"HNSW{_LINKS},Flat") for name in graphs),
    ]


def _binary_kinds(leaves: int) -> list[_Kind]:
    return [
        _Kind("BIN_FLAT", {}, "", (0,), Library("BFlat")),
        _Kind("BIN_IVF", {"nlist": leaves}, "nprobe", _probes(leaves), Library(f"BIVF{leaves}", leaves)),
        _graph("BIN_HNSW", f"BHNSW{_LINKS}"),
    ]


def _graph(name: str, factory: str) -> _Kind:
    params = {"M": _LINKS, "ef_construction": _EF_CONSTRUCTION}
    return _Kind(name, params, "ef_search", _EF_SEARCH, Library(factory, ef_construction=_EF_CONSTRUCTION))


def _probes(leaves: int) -> tuple[int, ...]:
    return tuple(max(1, math.ceil(leaves * share)) for share in _PROBE_SHARES)


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.loaded(source)
    rows: list[Row] = []
    curves: dict[str, Curve] = {}
    for kind in _kinds(source):
        bench.say(f"{kind.type}: building")
        served = _serve(bench, stage, kind)
        if kind.library is None:
            rows.append(_row_of_auto(source, kind, served, curves))
            continue
        bench.say(f"{kind.type}: the library alone")
        reorder = source.search_params.get("reorder", 0)
        bare = measure_bare(kind.library, source, reorder, kind.efforts, bench.seconds / 3, os.cpu_count() or 1)
        curves[kind.type] = served.curve
        rows += _rows(source, kind, served, bare)
    return rows


def _serve(bench: Bench, stage: Stage, kind: _Kind) -> _Served:
    """Build the index in the server, which is done as soon as it answers, search it once its recall is measured, and drop it."""
    name = kind.type.lower()
    with stage.client() as client:
        client.create_index(TABLE, name, VECTOR_FIELD, type=kind.type, metric=stage.source.metric, params=kind.params)
        started = time.perf_counter()
        job = client.activate_index(TABLE, name, wait=False).id
        while not (stage.is_trained(client) or client.get_job(job).has_ended):
            time.sleep(_LOOK_S)
        build_s = time.perf_counter() - started
        stage.await_index(job)
        while client.describe_recall(TABLE, name).measuring:
            time.sleep(_LOOK_S)
        calibrated_s = time.perf_counter() - started - build_s
        info = next(index for index in client.list_indexes(TABLE) if index.index == name)
        points = []
        for effort in kind.efforts:
            searches = Searches(stage.address, stage.source, _CONNECTIONS, BATCH, bench.seconds / 3)
            asked = replace(searches, index=name, params={kind.effort_name: effort} if kind.effort_name else {})
            outcome = run_load([asked], stage.pid)
            points.append(Point(effort, recall_of(outcome, stage.source), outcome.per_second))
        client.drop_index(TABLE, name)
    return _Served(Curve(build_s, points), info, calibrated_s)


def _rows(source: Source, kind: _Kind, served: _Served, bare: Curve) -> list[Row]:
    wanted = min(_RECALL if kind.effort_name else 1.0, *(max(point.recall for point in curve.points) for curve in (served.curve, bare)))
    rate, limit = rate_at(served.curve.points, wanted), rate_at(bare.points, wanted)
    curve = {
        f"{kind.effort_name} {ours.effort}" if kind.effort_name else "exact": f"{_text(ours)} (library {_text(alone)})"
        for ours, alone in zip(served.curve.points, bare.points, strict=True)
    }
    name, title, memory, build_s = kind.type, source.title, served.info.bytes_per_vector, served.curve.build_s
    rows = [
        Row(
            f"{name}: searches in batches",
            title,
            rate,
            "/s",
            limit,
            "the library alone, one thread",
            rate / limit,
            "of the library",
            _OF_BARE,
            recall=wanted,
            details={**_details(served), "library, built in s": bare.build_s, **curve},
        )
    ]
    if name == "IVF_PQ_FS":
        base = source.open().base
        float_bytes = base.itemsize * base.shape[1]
        share, times = memory / float_bytes, build_s / bare.build_s
        rows += [
            Row(f"{name}: a vector", title, memory, "bytes", float_bytes, "as float32", share, "of that", _SHARE_MAX, less_is_better=True),
            Row(f"{name}: building", title, build_s, "s", bare.build_s, "the library", times, "times", _TIMES_MAX, less_is_better=True),
        ]
    return rows


def _row_of_auto(source: Source, kind: _Kind, served: _Served, others: dict[str, Curve]) -> Row:
    """AUTO with a promised recall beside what was quickest when it was told how hard to try."""
    points = served.curve.points
    wanted = min(_RECALL, max(point.recall for point in points))
    rates = {name: rate_at(other.points, wanted) for name, other in others.items() if max(p.recall for p in other.points) >= wanted}
    quickest, limit = max(rates.items(), key=lambda item: item[1])
    rate = rate_at(points, wanted)
    return Row(
        "AUTO: searches in batches with a promised recall",
        source.title,
        rate,
        "/s",
        limit,
        f"{quickest}, the quickest type",
        rate / limit,
        "of that",
        _OF_QUICKEST,
        recall=wanted,
        details={**_details(served), **{f"{kind.effort_name} {point.effort}": _text(point) for point in points}},
    )


def _details(served: _Served) -> dict[str, float | str]:
    return {
        "engine": served.info.engine,
        "bytes of a vector": served.info.bytes_per_vector,
        "private memory of the host, bytes a vector": served.info.memory_bytes / max(1, served.info.vectors),
        "built in s": served.curve.build_s,
        "then measured its recall in s": served.calibrated_s,
    }


def _text(point: Point) -> str:
    return f"{point.recall:.4f} at {point.per_second:,.0f}/s"


def rate_at(points: list[Point], wanted: float) -> float:
    """Searches a second at a recall between or at those of the points: their logarithms joined by straight lines."""
    by_recall = sorted(points, key=lambda point: point.recall)
    above = next(at for at, point in enumerate(by_recall) if point.recall >= wanted)
    high = by_recall[above]
    if not above or high.recall == wanted:
        return high.per_second
    low = by_recall[above - 1]
    share = (wanted - low.recall) / (high.recall - low.recall)
    return math.exp((1 - share) * math.log(low.per_second) + share * math.log(high.per_second))
