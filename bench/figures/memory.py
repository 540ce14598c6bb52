"""Private memory (RssAnon) of the server and its hosts with the data set loaded and its index serving, after searches."""

from __future__ import annotations

from typing import Final

from bench import usage
from bench.data import Source
from bench.figures.base import Bench
from bench.load import Searches, run_load
from bench.report import Row

_MIB: Final = 1 << 20
_FACTOR: Final = 1.5
_EXTRA_MIB: Final = 250.0


def measure(bench: Bench, source: Source) -> list[Row]:
    stage = bench.indexed(source)
    run_load([Searches(stage.address, source, 16, 1, bench.seconds / 2)])
    used = usage.memory(stage.pid)
    raw_mib = source.open().base.nbytes / _MIB
    used_mib = used.total_bytes / _MIB
    return [
        Row(
            "private memory, server and host",
            source.title,
            used_mib,
            "MiB",
            raw_mib,
            "the vectors as float32",
            used_mib,
            "MiB",
            _FACTOR * raw_mib + _EXTRA_MIB,
            less_is_better=True,
            details={"server MiB": used.server_bytes / _MIB, "host MiB": used.hosts_bytes / _MIB},
        )
    ]
