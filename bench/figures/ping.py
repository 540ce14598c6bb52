"""What the blocking client itself costs: a ping, which the server answers without doing anything."""

from __future__ import annotations

import socket
import threading
import time
from typing import Final

from bench.data import Source
from bench.figures.base import Bench
from bench.load import SyncPings, run_load
from bench.report import Row

_PINGS: Final = 20_000
_FRAME_BYTES: Final = 24
_TARGET_US: Final = 60.0


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.stage(source)
    outcome = run_load([SyncPings(stage.address, _PINGS)], stage.pid)
    own_us = outcome.generator_cpu_us
    return [
        Row(
            "CPU of a ping, blocking client",
            "none",
            own_us,
            "us",
            _bare_round_trip_us(),
            "a bare socket, sending and receiving",
            own_us,
            "us in all",
            _TARGET_US,
            less_is_better=True,
            details={"median latency us": outcome.median_s * 1e6, "server CPU us": outcome.server.total_s / _PINGS * 1e6},
        )
    ]


def _bare_round_trip_us() -> float:
    """Processor time of this thread for sending a frame and receiving one over a bare connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        theirs, _ = listener.accept()
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def echo() -> None:
            with theirs:
                while data := theirs.recv(_FRAME_BYTES):
                    theirs.sendall(data)

        thread = threading.Thread(target=echo)
        thread.start()
        started = time.thread_time()
        for _ in range(_PINGS):
            ours.sendall(bytes(_FRAME_BYTES))
            ours.recv(_FRAME_BYTES)
        spent_s = time.thread_time() - started
        ours.shutdown(socket.SHUT_RDWR)
        thread.join()
    return spent_s / _PINGS * 1e6
