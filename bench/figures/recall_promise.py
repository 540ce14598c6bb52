"""Whether promised recall is found by queries that the server has never seen, and what that costs beside the cheapest setting that would
have found it: over the first rows of a data set, and after three tenths more came that lie elsewhere.

The server chooses its settings without having seen a query: it measures with rows. All queries go in one request, so that the few requests
made here do not become what it measures with. The cheapest setting is looked for among all efforts and some numbers of candidates to
reorder, with the very queries that count; the processor time of both is then taken in turns, and the least of each counts.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from bench import usage
from bench.data import VECTOR_FIELD, K, Source, recall
from bench.drift import Drift, Phase
from bench.figures.base import Bench
from bench.load import TABLE, Address
from bench.report import Row
from bench.rest_load import Connection, make_request
from bench.stage import BATCH_ROWS, Stage
from hippod_client import HippodError
from hippod_client.recall import MeasuredCurve
from hippod_client.sync import Client

_PROMISES: Final = (0.80, 0.90, 0.95, 0.99)
_SLACK: Final = 0.01
_TIMES_MAX: Final = 1.3
_TURNS: Final = 5
_REORDERS: Final = (20, 40, 60, 90, 120, 180, 240, 360, 480)
_EF_SEARCH_MAX: Final = 4_096
_GRAPH_ROWS_MAX: Final = 200_000
_PATIENCE_S: Final = 300.0
# So that the demo's few packages are trained, too.
_ENVIRONMENT: Final = {"HIPPOD_INDEX_TRAIN_ROWS_MIN": "2048"}
_LOOK_S: Final = 0.1
# The server measures again when a tenth of the rows is new, so its last curve may be of fewer than all.
_MOST_OF: Final = 0.9

Params = dict[str, Any]


class _Kind(NamedTuple):
    """An index of the table; `efforts` are values of the search parameter `effort_name` that are not yet exact search."""

    type: str
    params: Params
    effort_name: str
    efforts: range
    reorders: tuple[int | None, ...]

    @property
    def name(self) -> str:
        return self.type.lower()

    def setting(self, effort: int, reorder: int | None) -> Params:
        return {self.effort_name: effort} | ({} if reorder is None else {"reorder": reorder})


def _kinds(source: Source, rows: int) -> list[_Kind]:
    leaves = source.index_params["nlist"]
    kinds = [_Kind("IVF_FLAT", {"nlist": leaves}, "nprobe", range(1, leaves), _REORDERS)]
    if rows <= _GRAPH_ROWS_MAX:
        kinds.append(_Kind("HNSW", {}, "ef_search", range(K, min(_EF_SEARCH_MAX, rows // 8)), (None,)))
    return kinds


def measure(bench: Bench, source: Source) -> list[Row]:
    bench.close()
    bench.say("recall as a promise: two parts of the data and their exact answers")
    drift = Drift.of(source)
    kinds = _kinds(source, len(drift.data.base))
    rows: list[Row] = []
    with Stage(source, environment=_ENVIRONMENT) as stage, stage.client() as client:
        client.create_table(TABLE, source.fields)
        _insert(client, source, drift, drift.first)
        for kind in kinds:
            bench.say(f"{kind.type}: training")
            client.create_index(TABLE, kind.name, VECTOR_FIELD, type=kind.type, metric=source.metric, params=kind.params)
            client.activate_index(TABLE, kind.name)
        for kind in kinds:
            bench.say(f"{kind.type}: promises over the first rows")
            curve = _await_curve(client, kind, 0)
            rows += _promises(stage, client, kind, drift.first, f"{kind.type}, before drift", _measured(curve))
        bench.say("inserting what lies elsewhere")
        _insert(client, source, drift, drift.later)
        ended = time.time()
        for kind in kinds:
            curve = _await_curve(client, kind, _MOST_OF * len(drift.data.base))
            bench.say(f"{kind.type}: promises over all rows")
            details = {**_measured(curve), "measured s after the last insert": max(0.0, curve.measured_at - ended)}
            rows += _promises(stage, client, kind, drift.later, f"{kind.type}, after drift", details)
    return rows


def _insert(client: Client, source: Source, drift: Drift, phase: Phase) -> None:
    for batch in drift.batches(source, phase, BATCH_ROWS):
        client.insert(TABLE, batch).raise_for_failures()


def _await_curve(client: Client, kind: _Kind, rows_min: float) -> MeasuredCurve:
    """The curve for K hits, once it was measured over so many rows and nothing is being measured."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        state = client.describe_recall(TABLE, kind.name)
        for curve in state.curves:
            if not state.measuring and curve.k == K and curve.rows >= rows_min:
                return curve
        time.sleep(_LOOK_S)
    raise HippodError(f"{kind.type} was not measured within {_PATIENCE_S:g} seconds")


def _measured(curve: MeasuredCurve) -> dict[str, float | str]:
    return {"measured with": f"{curve.queries} {'queries that came' if curve.from_queries else 'rows'}", "over rows": curve.rows}


def _promises(stage: Stage, client: Client, kind: _Kind, phase: Phase, title: str, details: Mapping[str, float | str]) -> list[Row]:
    def found(params: Params) -> float:
        return recall(client.search(TABLE, phase.queries, K, index=kind.name, params=params).ids.reshape(-1, K), phase.truth)

    promised = {promise: found({"recall": promise}) for promise in _PROMISES}
    chosen = {promise: _chosen(stage, kind, phase, promise) for promise in _PROMISES}
    least = {promise: _least(kind, found, promise) for promise in _PROMISES}
    settings = [*chosen.values(), *(setting for group in least.values() for setting in group)]
    costs = _costs(stage, client, kind, phase, settings)
    rows = []
    for promise in _PROMISES:
        cheapest = min(least[promise], key=lambda setting: costs[_key(setting)])
        settings_of = {"chosen": _text(chosen[promise]), "cheapest that holds": _text(cheapest), **details}
        cost, limit = costs[_key(chosen[promise])], costs[_key(cheapest)]
        rows += _rows(stage.source, f"{title}: promise {promise}", promise, promised[promise], cost, limit, settings_of)
    return rows


def _chosen(stage: Stage, kind: _Kind, phase: Phase, promise: float) -> Params:
    """The setting that the server takes for a promise, which stands for itself where that is an exact search."""
    wanted = {"anns_field": VECTOR_FIELD, "topk": K, "embedding_index": kind.name, "params": {"recall": promise}}
    body = {"search_params": wanted, "vectors": [phase.queries[0].tolist()], "only_explain": True}
    answer = json.loads(
        asyncio.run(_call(Address(stage.server.host, stage.server.rest_port), make_request("GET", f"/{TABLE}/_search", body)))
    )
    (tablet,) = answer["explain"]["tablets"]
    if tablet["effort"] is None:
        return {"recall": promise}
    return kind.setting(tablet["effort"], None if kind.reorders == (None,) else tablet["reorder"])


async def _call(address: Address, request: bytes) -> bytes:
    connection = Connection(address)
    await connection.open()
    try:
        return await connection.call(request)
    finally:
        connection.close()


def _least(kind: _Kind, found: Callable[[Params], float], promise: float) -> list[Params]:
    """For each number of candidates to reorder the least effort that finds what is promised, unless fewer candidates need no more; an exact
    search if none does."""
    settings = []
    high = kind.efforts.stop
    for reorder in kind.reorders:
        low, least = kind.efforts.start, high
        while low < least:
            middle = (low + least) // 2
            if found(kind.setting(middle, reorder)) >= promise:
                least = middle
            else:
                low = middle + 1
        if least < high:
            settings.append(kind.setting(least, reorder))
            high = least
    return settings or [{"recall": promise}]


def _costs(stage: Stage, client: Client, kind: _Kind, phase: Phase, settings: list[Params]) -> dict[str, float]:
    """Microseconds of processor that server and host take for a query with each setting, by its key: all in turns, the least of each."""
    distinct = {_key(setting): setting for setting in settings}
    least = dict.fromkeys(distinct, float("inf"))
    for _ in range(_TURNS):
        for key, setting in distinct.items():
            before = usage.running_s(stage.pid)
            client.search(TABLE, phase.queries, K, index=kind.name, params=setting)
            least[key] = min(least[key], (usage.running_s(stage.pid) - before) / len(phase.queries) * 1e6)
    return least


def _key(setting: Params) -> str:
    return json.dumps(setting, sort_keys=True)


def _text(setting: Params) -> str:
    return "exact search" if "recall" in setting else " ".join(f"{name} {value}" for name, value in setting.items())


def _rows(
    source: Source, title: str, promise: float, found: float, cost_us: float, cheapest_us: float, details: dict[str, float | str]
) -> list[Row]:
    held = Row(title, source.title, found, "found", promise, "promised", found - promise, "above it", -_SLACK, recall=found)
    cost = Row(
        f"{title}, cost",
        source.title,
        cost_us,
        "us",
        cheapest_us,
        "the cheapest setting that holds",
        cost_us / cheapest_us,
        "times",
        _TIMES_MAX,
        less_is_better=True,
        recall=found,
        details=details,
    )
    return [held, cost]
