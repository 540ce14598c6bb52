"""From the start of a stopped server to the first search that its loaded index answers."""

from __future__ import annotations

import time
from typing import Final

from bench import usage
from bench.data import K, Source
from bench.figures.base import Bench
from bench.load import TABLE
from bench.report import Row
from hippod_client import HippodError

_TARGET_S: Final = 10.0
_LOOK_S: Final = 0.05
_PATIENCE_S: Final = 120.0
_MIB: Final = 1 << 20


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.indexed(source)
    query = source.open().queries[0]
    direct = bench.direct(stage)
    bench.say("restarting")
    stopping = time.perf_counter()
    stage.server.terminate()
    started = time.perf_counter()
    stage.server.start()
    ready_s = time.perf_counter() - started
    with stage.client() as client:
        client.search(TABLE, query, K)
        first_s = time.perf_counter() - started
        while not stage.is_trained(client):
            if time.perf_counter() - started > _PATIENCE_S:
                raise HippodError(f"the index was not loaded within {_PATIENCE_S:g} seconds")
            time.sleep(_LOOK_S)
        client.search(TABLE, query, K)
        trained_s = time.perf_counter() - started
    return [
        Row(
            "restart to the first search by the index",
            source.title,
            trained_s,
            "s",
            direct.load_s,
            "ScaNN loading its files",
            trained_s,
            "s",
            _TARGET_S,
            less_is_better=True,
            details={
                "stop s": started - stopping,
                "ready s": ready_s,
                "first exact search s": first_s,
                "private memory MiB": usage.memory(stage.pid).total_bytes / _MIB,
            },
        )
    ]
