"""Load generators that speak the REST API: plain HTTP/1.1 over asyncio streams, bodies made before the clock runs."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import uvloop

from bench.data import VECTOR_FIELD, Ids, K, Source
from bench.load import TABLE, Address, Sample, measured

_PREFIX: Final = "/hippo/v1"
_LOGIN: Final = base64.b64encode(b"shiva:shiva").decode()


class Connection:
    """One connection, one request at a time. `open`, then `call`, then `close`."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._address)

    def close(self) -> None:
        self._writer.close()

    async def call(self, request: bytes) -> bytes:
        """The body of the answer, which must be a success."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        if not head.startswith(b"http/1.1 200 "):
            raise ValueError(body.decode())
        return body


def make_request(method: str, path: str, body: object) -> bytes:
    text = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"{method} {_PREFIX}{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {_LOGIN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


@dataclass(frozen=True)
class RestSearches:
    """Connections that each search one vector a request, one request at a time, for `seconds`."""

    address: Address
    source: Source
    connections: int
    seconds: float

    def run(self, go: Callable[[], None]) -> Sample:
        return uvloop.run(self._run(go))

    async def _run(self, go: Callable[[], None]) -> Sample:
        queries = self.source.open().queries
        wanted = {"anns_field": VECTOR_FIELD, "topk": K, "params": self.source.search_params}
        search = f"/{TABLE}/_search"
        requests = [make_request("GET", search, {"search_params": wanted, "vectors": [q.tolist()]}) for q in queries]
        connections = [Connection(self.address) for _ in range(self.connections)]
        await asyncio.gather(*(connection.open() for connection in connections))
        sample = await measured(partial(self._measure, connections, requests), self.seconds, go)
        for connection in connections:
            connection.close()
        return sample

    async def _measure(self, connections: list[Connection], requests: list[bytes], seconds: float) -> Sample:
        places = itertools.cycle(range(len(requests)))
        found: Ids = np.full((len(requests), K), -1, np.int64)
        latencies: list[float] = []
        clock = time.perf_counter

        async def search(connection: Connection) -> None:
            asked = clock()
            while asked < until:
                at = next(places)
                answer = await connection.call(requests[at])
                answered = clock()
                if found[at, 0] < 0:
                    found[at] = json.loads(answer)["results"][0]["fields_data"][0]["field_values"]
                if answered < until:
                    latencies.append(answered - asked)
                asked = answered

        started, cpu_s = time.monotonic(), time.process_time()
        until = clock() + seconds
        await asyncio.gather(*map(search, connections))
        return Sample.of(len(latencies), started, cpu_s, latencies, found)._replace(ended=started + seconds)


@dataclass(frozen=True)
class RestInserts:
    """`batches` requests of `batch_rows` x 128 new rows each into a table of their own, some in flight at a time."""

    address: Address
    batch_rows: int
    batches: int
    in_flight: int

    def run(self, go: Callable[[], None]) -> Sample:
        return uvloop.run(self._run(go))

    async def _run(self, go: Callable[[], None]) -> Sample:
        requests = iter([make_request("PUT", "/rest_inserts/_bulk", body) for body in self._bodies()])
        connections = [Connection(self.address) for _ in range(self.in_flight)]
        await asyncio.gather(*(connection.open() for connection in connections))
        key = {"name": "id", "data_type": "int64", "is_primary_key": True}
        vector = {"name": VECTOR_FIELD, "data_type": "float_vector", "type_params": {"dimension": 128}}
        await connections[0].call(make_request("PUT", "/rest_inserts", {"schema": {"fields": [key, vector]}}))
        latencies: list[float] = []

        async def insert(connection: Connection) -> None:
            for request in requests:
                asked = time.perf_counter()
                await connection.call(request)
                latencies.append(time.perf_counter() - asked)

        go()
        started, cpu_s = time.monotonic(), time.process_time()
        await asyncio.gather(*map(insert, connections))
        sample = Sample.of(self.batches * self.batch_rows, started, cpu_s, latencies)
        await connections[0].call(make_request("DELETE", "/rest_inserts", None))
        for connection in connections:
            connection.close()
        return sample

    def _bodies(self) -> Iterator[dict[str, Any]]:
        """Six decimals a number, as programs print them."""
        rng = np.random.default_rng(1)
        for batch in range(self.batches):
            ids = list(range(batch * self.batch_rows, (batch + 1) * self.batch_rows))
            vectors = rng.random((self.batch_rows, 128)).round(6).tolist()
            columns = [{"field_name": "id", "field": ids}, {"field_name": VECTOR_FIELD, "field": vectors}]
            yield {"op_type": "insert", "num_rows": self.batch_rows, "fields_data": columns}
