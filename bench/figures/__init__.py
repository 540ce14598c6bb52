"""The figures, in the order in which they are measured: those of one data set together, because they share its server."""

from __future__ import annotations

from typing import Final

from bench.figures import (
    curves,
    filtered,
    inserts,
    latency,
    loop,
    memory,
    ping,
    recall_promise,
    rest,
    restart,
    searches,
    server_cpu,
    upserts,
)
from bench.figures.base import Bench, Figure

FIGURES: Final[tuple[Figure, ...]] = (
    Figure("ping", "processor time of a ping, blocking client", "packages", ping.measure),
    Figure("searches", "searches/s over the network, 64 connections with one query and 4 with 100", "packages", searches.measure),
    Figure("latency", "median latency of a lone client, asyncio and blocking", "packages", latency.measure),
    Figure("rest", "REST searches/s at 64 connections, and durable inserts over REST", "packages", rest.measure),
    Figure("server-cpu", "server's processor time per search at 16 blocking clients", "packages", server_cpu.measure),
    Figure("curves", "recall and speed, memory and building of every index type", "packages", curves.measure),
    Figure("filtered", "searches/s with a filter and a recall promised, by the share of rows that match", "packages", filtered.measure),
    Figure(
        "recall-promise",
        "promised recall found, and its cost beside the cheapest setting that finds it",
        "packages",
        recall_promise.measure,
    ),
    Figure("curves", "recall and speed, memory and building of every binary index type", "signs", curves.measure),
    Figure("curves", "speed of the index of sparse vectors", "words", curves.measure),
    Figure("upserts", "durable single-row upserts", "generated", upserts.measure),
    Figure("inserts", "durable inserts", "generated", inserts.measure),
    Figure("searches", "searches/s over the network, 64 connections with one query and 4 with 100", "generated", searches.measure),
    Figure("latency", "median latency of a lone client, asyncio and blocking", "generated", latency.measure),
    Figure("memory", "private memory of server and hosts", "generated", memory.measure),
    Figure("restart", "restart to the first search by the loaded index", "generated", restart.measure),
    Figure("curves", "recall and speed, memory and building of every index type", "generated", curves.measure),
    Figure("filtered", "searches/s with a filter and a recall promised, by the share of rows that match", "generated", filtered.measure),
    Figure(
        "recall-promise",
        "promised recall found, and its cost beside the cheapest setting that finds it",
        "generated",
        recall_promise.measure,
    ),
    Figure("loop", "longest stall of the event loop", "generated", loop.measure),
)

__all__ = ["FIGURES", "Bench", "Figure"]
