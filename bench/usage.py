"""What the server and its index hosts use, from the outside: processor time and private memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil


class Cpu(NamedTuple):
    """Processor seconds of the server process and of its hosts together."""

    server_s: float
    hosts_s: float

    def since(self, before: Cpu) -> Cpu:
        return Cpu(self.server_s - before.server_s, self.hosts_s - before.hosts_s)

    @property
    def total_s(self) -> float:
        return self.server_s + self.hosts_s


class Memory(NamedTuple):
    """Anonymous resident bytes (RssAnon)."""

    server_bytes: int
    hosts_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.server_bytes + self.hosts_bytes


def cpu(pid: int) -> Cpu:
    server = psutil.Process(pid)
    return Cpu(_cpu_s(server), sum(_cpu_s(host) for host in server.children(recursive=True)))


def running_s(pid: int) -> float:
    """Processor seconds of a server process and its hosts as the scheduler counts them, in nanoseconds: for differences over work that is
    too short for `cpu`, while no thread ends."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    threads = (file for process in processes for file in Path(f"/proc/{process.pid}/task").glob("*/schedstat"))
    return sum(int(file.read_text().split()[0]) for file in threads) / 1e9


def memory(pid: int) -> Memory:
    server = psutil.Process(pid)
    return Memory(_anonymous_bytes(pid), sum(_anonymous_bytes(host.pid) for host in server.children(recursive=True)))


def _cpu_s(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _anonymous_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1_024
    return 0
