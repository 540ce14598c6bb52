"""Each index type as it is with its default build parameters: recall against speed in batches, memory of a vector, and time to build,
beside the library that it is built on."""

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
from hippod_client.results import IndexInfo

_RECALL: Final = 0.95
_OF_BARE: Final = 0.9
_TIMES_MAX: Final = 1.2
_SHARE_MAX: Final = 0.2
_CONNECTIONS: Final = 4
_PROBE_SHARES: Final = (0.02, 0.04, 0.08, 0.16, 0.32)
_EF_SEARCH: Final = (16, 24, 40, 64, 128)
_LINKS: Final = 16
_LOOK_S: Final = 0.05
_ROWS_OF_8_BITS: Final = 8_192
_EF_CONSTRUCTION: Final = 200


class _Kind(NamedTuple):
    """`efforts` are values of the search parameter `effort_name`."""

    type: str
    params: dict[str, Any]
    effort_name: str
    efforts: tuple[int, ...]
    library: Library


def _kinds(source: Source) -> list[_Kind]:
    leaves = source.index_params["nlist"]
    probes = tuple(max(1, math.ceil(leaves * share)) for share in _PROBE_SHARES)
    by_leaves = {"nlist": leaves, "reorder": source.search_params["reorder"]}
    dimension = next(field.dimension for field in source.fields if field.name == VECTOR_FIELD) or 0
    bits = 8 if len(source.open().base) >= _ROWS_OF_8_BITS else 7
    graph = {"M": _LINKS, "ef_construction": _EF_CONSTRUCTION}
    return [
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
        _Kind("HNSW", graph, "ef_search", _EF_SEARCH, Library(f"HNSW{_LINKS},Flat", 0, ef_construction=_EF_CONSTRUCTION)),
    ]


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.loaded(source)
    rows = []
    for kind in _kinds(source):
        bench.say(f"{kind.type}: building")
        served, info, calibrated_s = _serve(bench, stage, kind)
        bench.say(f"{kind.type}: the library alone")
        reorder = source.search_params["reorder"]
        bare = measure_bare(kind.library, source, reorder, kind.efforts, bench.seconds / 3, os.cpu_count() or 1)
        rows += _rows(source, kind, served, bare, info, calibrated_s)
    return rows


def _serve(bench: Bench, stage: Stage, kind: _Kind) -> tuple[Curve, IndexInfo, float]:
    """Build the index in the server, which is done as soon as it answers, search it, and drop it; and the seconds that it went on to
    measure its recall."""
    name = kind.type.lower()
    with stage.client() as client:
        client.create_index(TABLE, name, VECTOR_FIELD, type=kind.type, metric=stage.source.metric, params=kind.params)
        started = time.perf_counter()
        job = client.activate_index(TABLE, name, wait=False).id
        while not (stage.is_trained(client) or client.get_job(job).has_ended):
            time.sleep(_LOOK_S)
        build_s = time.perf_counter() - started
        stage.await_index(job)
        calibrated_s = time.perf_counter() - started - build_s
        info = next(index for index in client.list_indexes(TABLE) if index.index == name)
        points = []
        for effort in kind.efforts:
            searches = Searches(stage.address, stage.source, _CONNECTIONS, BATCH, bench.seconds / 3)
            asked = replace(searches, index=name, params={kind.effort_name: effort})
            outcome = run_load([asked], stage.pid)
            points.append(Point(effort, recall_of(outcome, stage.source), outcome.per_second))
        client.drop_index(TABLE, name)
    return Curve(build_s, points), info, calibrated_s


def _rows(source: Source, kind: _Kind, served: Curve, bare: Curve, info: IndexInfo, calibrated_s: float) -> list[Row]:
    wanted = min(_RECALL, *(max(point.recall for point in curve.points) for curve in (served, bare)))
    rate, limit = rate_at(served.points, wanted), rate_at(bare.points, wanted)
    curve = {
        f"{kind.effort_name} {ours.effort}": f"{_text(ours)} (library {_text(alone)})"
        for ours, alone in zip(served.points, bare.points, strict=True)
    }
    float_bytes = source.open().base.itemsize * source.open().base.shape[1]
    details: dict[str, float | str] = {
        "engine": info.engine,
        "bytes of a vector": info.bytes_per_vector,
        "private memory of the host, bytes a vector": info.memory_bytes / max(1, info.vectors),
        "built in s": served.build_s,
        "library, built in s": bare.build_s,
        "then measured its recall in s": calibrated_s,
        **curve,
    }
    rows = [
        Row(
            f"{kind.type}: searches in batches",
            source.title,
            rate,
            "/s",
            limit,
            "the library alone, one thread",
            rate / limit,
            "of the library",
            _OF_BARE,
            recall=wanted,
            details=details,
        )
    ]
    if kind.type == "IVF_PQ_FS":
        memory, share = info.bytes_per_vector, info.bytes_per_vector / float_bytes
        name, title, times = kind.type, source.title, served.build_s / bare.build_s
        rows += [
            Row(f"{name}: a vector", title, memory, "bytes", float_bytes, "as float32", share, "of that", _SHARE_MAX, less_is_better=True),
            Row(
                f"{name}: building",
                title,
                served.build_s,
                "s",
                bare.build_s,
                "the library",
                times,
                "times",
                _TIMES_MAX,
                less_is_better=True,
            ),
        ]
    return rows


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
