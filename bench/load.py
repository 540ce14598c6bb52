"""Load generators: each is a process of its own, so that it shares nothing with the server but the machine.

All are started, connect and warm up; then they get the word at once, work for a time or until they are done, and hand back a `Sample`.
The clients are those that users have, asyncio ones on uvloop.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
import uvloop

from bench.data import DataSet, Ids, K, Source
from bench.usage import Cpu, cpu
from hippod_client import Client
from hippod_client.sync import Client as SyncClient

TABLE: Final = "bench"
WARM_UP_S: Final = 0.5
_START_S: Final = 120.0
_END_S: Final = 600.0


class Address(NamedTuple):
    host: str
    port: int


class Sample(NamedTuple):
    """What one generator did. `items` (queries, rows or pings) in `requests` from `started` to `ended` (monotonic seconds), with
    `cpu_s` of its own; `latencies_s` float64 (requests,); `found` int64 (nq, K): the first answer to each query, -1 where none came.
    """

    requests: int
    items: int
    started: float
    ended: float
    cpu_s: float
    latencies_s: npt.NDArray[np.float64]
    found: Ids

    @classmethod
    def of(cls, items: int, started: float, cpu_s: float, latencies_s: Sequence[float], found: Ids | None = None) -> Sample:
        """A sample that ends now; `cpu_s` is what `time.process_time` said at its start."""
        no_answers: Ids = np.empty((0, K), np.int64)
        times = np.array(latencies_s, np.float64)
        ended = time.monotonic()
        return cls(len(times), items, started, ended, time.process_time() - cpu_s, times, no_answers if found is None else found)


class Outcome(NamedTuple):
    """All generators together: `server` is what the server and its hosts used meanwhile."""

    samples: list[Sample]
    server: Cpu

    @property
    def items(self) -> int:
        return sum(sample.items for sample in self.samples)

    @property
    def seconds(self) -> float:
        return max(s.ended for s in self.samples) - min(s.started for s in self.samples)

    @property
    def per_second(self) -> float:
        return self.items / self.seconds

    @property
    def generator_cpu_us(self) -> float:
        """Microseconds of processor for each item, of the generators themselves."""
        return sum(sample.cpu_s for sample in self.samples) / self.items * 1e6

    @property
    def median_s(self) -> float:
        return float(np.median(np.concatenate([sample.latencies_s for sample in self.samples])))

    def answered(self) -> tuple[Ids, npt.NDArray[np.intp]]:
        """The answers, and which queries they answer."""
        found = self.samples[0].found.copy()
        for sample in self.samples[1:]:
            missing = found[:, 0] < 0
            found[missing] = sample.found[missing]
        have = np.flatnonzero(found[:, 0] >= 0)
        return found[have], have


class Work(Protocol):
    """What a generator does; it is sent to the process. `go` returns when all are ready."""

    def run(self, go: Callable[[], None]) -> Sample: ...


class GeneratorFailed(Exception):
    """A generator did not do its work; the text is its own."""


def run_load(works: Sequence[Work], server_pid: int | None = None) -> Outcome:
    """Run all works at the same time, each in a process. Raises GeneratorFailed."""
    with Generators(works) as generators:
        generators.ready()
        before = cpu(server_pid) if server_pid is not None else Cpu(0.0, 0.0)
        generators.go()
        samples = generators.results()
        return Outcome(samples, cpu(server_pid).since(before) if server_pid is not None else Cpu(0.0, 0.0))


class Generators:
    """Processes that work: `ready`, `go`, `results`. A context manager; leaving it ends them."""

    def __init__(self, works: Sequence[Work]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        for work in works:
            ours, theirs = context.Pipe()
            process = context.Process(target=_generate, args=(work, theirs), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for process in self._processes:
            process.join(1.0)
            if process.is_alive():
                process.kill()
                process.join()

    def ready(self) -> None:
        """Wait until all are."""
        self._receive(_START_S)

    def go(self) -> None:
        for pipe in self._pipes:
            pipe.send("go")

    def results(self) -> list[Sample]:
        return self._receive(_END_S)

    def _receive(self, patience_s: float) -> list[Any]:
        out = []
        until = time.monotonic() + patience_s
        for pipe in self._pipes:
            if not pipe.poll(max(0.0, until - time.monotonic())):
                raise GeneratorFailed(f"a load generator said nothing for {patience_s:g} seconds")
            try:
                received = pipe.recv()
            except EOFError:
                raise GeneratorFailed("a load generator ended without a word") from None
            if isinstance(received, BaseException):
                raise GeneratorFailed(f"a load generator failed: {received!r}") from received
            out.append(received)
        return out


def _generate(work: Work, pipe: Connection) -> None:
    """The main function of a generator."""

    def go() -> None:
        pipe.send("ready")
        pipe.recv()

    try:
        pipe.send(work.run(go))
    except Exception as error:
        pipe.send(GeneratorFailed(f"{type(error).__name__}: {error}"))


async def measured(measure: Callable[[float], Awaitable[Sample]], seconds: float, go: Callable[[], None]) -> Sample:
    """What `measure` finds in `seconds`, after it has warmed up and all are ready."""
    await measure(WARM_UP_S)
    go()
    return await measure(seconds)


@dataclass(frozen=True)
class Searches:
    """Connections that each search `queries` vectors a request, one request at a time, for `seconds`, among the rows that match `filter`;
    `index` and `params` other than the first index and what the source says."""

    address: Address
    source: Source
    connections: int
    queries: int
    seconds: float
    index: str | None = None
    params: Mapping[str, Any] | None = None
    filter: str = ""

    def run(self, go: Callable[[], None]) -> Sample:
        return uvloop.run(self._run(go))

    async def _run(self, go: Callable[[], None]) -> Sample:
        data = self.source.open()
        clients = [Client(*self.address) for _ in range(self.connections)]
        await asyncio.gather(*(client.connect() for client in clients))
        sample = await measured(partial(self._measure, clients, data), self.seconds, go)
        await asyncio.gather(*(client.close() for client in clients))
        return sample

    async def _measure(self, clients: Sequence[Client], data: DataSet, seconds: float) -> Sample:
        step, queries = self.queries, data.queries
        params = self.source.search_params if self.params is None else self.params
        places = itertools.cycle(range(0, len(queries) - step + 1, step))
        found: Ids = np.full((len(queries), K), -1, np.int64)
        latencies: list[float] = []
        clock = time.perf_counter

        async def search(client: Client) -> None:
            asked = clock()
            while asked < until:
                at = next(places)
                result = await client.search(TABLE, queries[at : at + step], K, filter=self.filter, index=self.index, params=params)
                answered = clock()
                ids = result.ids
                if found[at, 0] < 0:
                    found[at : at + step][np.arange(K) < result.counts[:, None]] = ids
                if answered < until:
                    latencies.append(answered - asked)
                asked = answered

        started, cpu_s = time.monotonic(), time.process_time()
        until = clock() + seconds
        await asyncio.gather(*map(search, clients))
        return Sample.of(len(latencies) * step, started, cpu_s, latencies, found)._replace(ended=started + seconds)


@dataclass(frozen=True)
class SyncSearches:
    """The blocking client, one query a call, for `seconds`."""

    address: Address
    source: Source
    seconds: float
    first: int = 0

    def run(self, go: Callable[[], None]) -> Sample:
        data = self.source.open()
        with SyncClient(*self.address) as client:
            self._measure(client, data, WARM_UP_S)
            go()
            return self._measure(client, data, self.seconds)

    def _measure(self, client: SyncClient, data: DataSet, seconds: float) -> Sample:
        queries, params = data.queries, self.source.search_params
        found: Ids = np.full((len(queries), K), -1, np.int64)
        latencies: list[float] = []
        clock = time.perf_counter
        at = self.first
        started, cpu_s = time.monotonic(), time.process_time()
        asked = clock()
        until = asked + seconds
        while asked < until:
            at = (at + 1) % len(queries)
            found[at] = client.search(TABLE, queries[at], K, params=params).ids
            answered = clock()
            latencies.append(answered - asked)
            asked = answered
        return Sample.of(len(latencies), started, cpu_s, latencies, found)


@dataclass(frozen=True)
class Inserts:
    """All rows of the source in batches, some batches in flight at a time on each connection."""

    address: Address
    source: Source
    batch_rows: int
    connections: int
    in_flight: int

    def run(self, go: Callable[[], None]) -> Sample:
        return uvloop.run(self._run(go))

    async def _run(self, go: Callable[[], None]) -> Sample:
        data = self.source.open()
        clients = [Client(*self.address) for _ in range(self.connections)]
        await asyncio.gather(*(client.connect() for client in clients))
        starts = iter(range(0, len(data.base), self.batch_rows))
        latencies: list[float] = []

        async def insert(client: Client) -> None:
            for start in starts:
                rows = self.source.columns(data, start, min(len(data.base), start + self.batch_rows))
                asked = time.perf_counter()
                (await client.insert(TABLE, rows)).raise_for_failures()
                latencies.append(time.perf_counter() - asked)

        go()
        started, cpu_s = time.monotonic(), time.process_time()
        await asyncio.gather(*(insert(client) for client in clients for _ in range(self.in_flight)))
        sample = Sample.of(len(data.base), started, cpu_s, latencies)
        await asyncio.gather(*(client.close() for client in clients))
        return sample


@dataclass(frozen=True)
class Upserts:
    """Single rows replaced at random, `in_flight` at a time on each connection, for `seconds`."""

    address: Address
    source: Source
    connections: int
    in_flight: int
    seconds: float

    def run(self, go: Callable[[], None]) -> Sample:
        return uvloop.run(self._run(go))

    async def _run(self, go: Callable[[], None]) -> Sample:
        data = self.source.open()
        clients = [Client(*self.address) for _ in range(self.connections)]
        await asyncio.gather(*(client.connect() for client in clients))
        sample = await measured(partial(self._measure, clients, data), self.seconds, go)
        await asyncio.gather(*(client.close() for client in clients))
        return sample

    async def _measure(self, clients: Sequence[Client], data: DataSet, seconds: float) -> Sample:
        rng = np.random.default_rng(1)
        some = rng.choice(len(data.base), 4_096, replace=len(data.base) < 4_096).tolist()
        rows = itertools.cycle([self.source.columns(data, at, at + 1) for at in some])
        latencies: list[float] = []
        clock = time.perf_counter

        async def upsert(client: Client) -> None:
            asked = clock()
            while asked < until:
                await client.upsert(TABLE, next(rows))
                answered = clock()
                if answered < until:
                    latencies.append(answered - asked)
                asked = answered

        started, cpu_s = time.monotonic(), time.process_time()
        until = clock() + seconds
        await asyncio.gather(*(upsert(client) for client in clients for _ in range(self.in_flight)))
        return Sample.of(len(latencies), started, cpu_s, latencies)._replace(ended=started + seconds)


@dataclass(frozen=True)
class SyncPings:
    """The blocking client, one ping after the other."""

    address: Address
    pings: int

    def run(self, go: Callable[[], None]) -> Sample:
        with SyncClient(*self.address) as client:
            for _ in range(self.pings // 10):
                client.ping()
            go()
            latencies = []
            started, cpu_s = time.monotonic(), time.process_time()
            for _ in range(self.pings):
                asked = time.perf_counter()
                client.ping()
                latencies.append(time.perf_counter() - asked)
            return Sample.of(self.pings, started, cpu_s, latencies)
