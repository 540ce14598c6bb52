"""A load generator that costs little: requests are put into frames beforehand, and only the first answer to each query is read.

What clients cost on a machine that they share with the server is taken from the server: beside `load.Searches`, which are clients as
users have them, this tells how much. A generator is a `load.Work`.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import numpy as np
import uvloop

from bench.data import Ids, K, Source
from bench.load import TABLE, Address, Sample, measured
from hippod_client import requests, session
from hippod_client.requests.base import Request
from hippod_client.results import SearchResult
from hippod_client.wire.frames import Kind
from hippod_client.wire.layouts import Frame

_REQUEST_ID: Final = 1
_DEADLINE_MS: Final = 30_000
_KIND: Final = struct.Struct("<4xB")
_USER: Final = "shiva"


class _Prepared:
    """All queries as frames, and what was found for each."""

    def __init__(self, source: Source) -> None:
        data = source.open()
        self._requests: list[Request[SearchResult]] = [
            requests.search("default", TABLE, query, K, None, "", None, None, source.search_params) for query in data.queries
        ]
        self.frames = [b"".join(request.frame(_REQUEST_ID, _DEADLINE_MS)) for request in self._requests]
        self.found: Ids = np.full((len(self.frames), K), -1, np.int64)
        self.places: Iterator[int] = itertools.cycle(range(len(self.frames)))

    def take(self, place: int, frame: Frame) -> None:
        """An answer: read if it is the first to this query, or if it is an error, which is raised."""
        if self.found[place, 0] < 0 or _KIND.unpack_from(frame)[0] != Kind.REPLY:
            ids = self._requests[place].read_reply(frame).ids
            self.found[place, : len(ids)] = ids


class _Connection(asyncio.Protocol):
    """Logs in, then asks one query after the other while `until` (perf_counter) has not come."""

    def __init__(self, prepared: _Prepared) -> None:
        self._prepared = prepared
        self._cutter = session.FrameCutter()
        self._transport: asyncio.Transport | None = None
        self._place = 0
        self._asked = self._until = 0.0
        self._read: Callable[[Frame], None] = self._read_welcome
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(session.HELLO)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._cutter.feed(data):
                self._read(frame)
        except Exception as error:
            if not self.done.done():
                self.done.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))

    def _read_welcome(self, frame: Frame) -> None:
        session.read_welcome(frame)
        self._read = self._read_logged_in
        self._send(session.login(_USER, _USER))

    def _read_logged_in(self, frame: Frame) -> None:
        session.read_logged_in(frame)
        self._read = self._read_answer
        self.done.set_result(None)

    async def search(self, until: float) -> None:
        self._until = until
        self.latencies = []
        self.done = asyncio.get_running_loop().create_future()
        self._asked = time.perf_counter()
        self._ask()
        await self.done

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _ask(self) -> None:
        self._place = next(self._prepared.places)
        self._send(self._prepared.frames[self._place])

    def _read_answer(self, frame: Frame) -> None:
        answered = time.perf_counter()
        self._prepared.take(self._place, frame)
        if answered >= self._until:
            self.done.set_result(None)
            return
        self.latencies.append(answered - self._asked)
        self._asked = answered
        self._ask()

    def _send(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame)


@dataclass(frozen=True)
class PreparedSearches:
    """Connections that each search one query a request, one request at a time, for `seconds`."""

    address: Address
    source: Source
    connections: int
    seconds: float

    def run(self, go: Callable[[], None]) -> Sample:
        return uvloop.run(self._run(go))

    async def _run(self, go: Callable[[], None]) -> Sample:
        loop, prepared = asyncio.get_running_loop(), _Prepared(self.source)
        made = [await loop.create_connection(lambda: _Connection(prepared), *self.address) for _ in range(self.connections)]
        connections = [connection for _, connection in made]
        await asyncio.gather(*(connection.done for connection in connections))
        sample = await measured(partial(self._measure, connections, prepared), self.seconds, go)
        for connection in connections:
            connection.close()
        return sample

    async def _measure(self, connections: list[_Connection], prepared: _Prepared, seconds: float) -> Sample:
        started, cpu_s = time.monotonic(), time.process_time()
        until = time.perf_counter() + seconds
        await asyncio.gather(*(connection.search(until) for connection in connections))
        latencies = [latency for connection in connections for latency in connection.latencies]
        return Sample.of(len(latencies), started, cpu_s, latencies, prepared.found)._replace(ended=started + seconds)
