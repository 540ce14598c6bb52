"""The server with a ticker on its event loop, which notes when it comes late.

    python -m bench.ticking_server --gaps FILE --data-dir DIR --port 0 --rest-port 0

The ticker wants to run every millisecond. Each gap of more than 5 ms is a line of FILE: when it ended (monotonic seconds), how long it
was, and how much of it the thread of the loop worked (the rest it waited for a processor or for the interpreter). What the machine itself
does to a ticker, `tick_alone` tells.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import uvloop

from hippod.config import Config, load_config
from hippod.logs import setup_logs
from hippod.serve import run_server

_TICK_S: Final = 0.001
_NOTED_S: Final = 0.005


class Gap(NamedTuple):
    at: float
    seconds: float
    worked_s: float


def read_gaps(file: Path) -> list[Gap]:
    return [Gap(*map(float, line.split())) for line in file.read_text().splitlines()]


class _Notes:
    """Writes down the long gaps between calls of `tick`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._at, self._worked = time.monotonic(), time.thread_time()

    def tick(self) -> None:
        now, worked = time.monotonic(), time.thread_time()
        if now - self._at > _NOTED_S:
            self._out.write(f"{now} {now - self._at} {worked - self._worked}\n")
        self._at, self._worked = now, worked


async def _tick(out: TextIO) -> None:
    notes = _Notes(out)
    while True:
        await asyncio.sleep(_TICK_S)
        notes.tick()


def tick_alone(gaps: Path) -> None:
    """The main function of a process that does nothing else, until it is ended."""
    with gaps.open("w", buffering=1) as out:
        notes = _Notes(out)
        while True:
            time.sleep(_TICK_S)
            notes.tick()


async def _run(config: Config, gaps: Path) -> None:
    with gaps.open("w") as out:
        server = asyncio.ensure_future(run_server(config))
        ticker = asyncio.ensure_future(_tick(out))
        await server
        ticker.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--gaps", "--data-dir", "--port", "--rest-port"):
        parser.add_argument(name, required=True)
    arguments = parser.parse_args(sys.argv[1:])
    config = load_config({"data_dir": arguments.data_dir, "port": arguments.port, "rest_port": arguments.rest_port}, {}, None)
    setup_logs(config.process.log_level, config.process.log_format)
    uvloop.run(_run(config, Path(arguments.gaps)))


if __name__ == "__main__":
    main()
