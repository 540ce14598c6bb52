"""A TCP proxy between clients and a server that does to requests what networks do: cuts, loses, delays."""

from __future__ import annotations

import asyncio
import enum
import struct
import threading
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from hippod_client.wire.frames import LENGTH_BYTES, Kind

T = TypeVar("T")


class Fate(enum.Enum):
    """What happens to one request, or to the connection that carries it."""

    PASSES = "reaches the server, its answer the client"
    CUT_BEFORE = "is lost with the connection, the server never sees it"
    CUT_AFTER = "is carried out, and the connection cut before its answer"
    CUT_WITHIN = "is carried out, and the connection ends in the middle of its answer"
    LOST = "never reaches the server, and nothing happens"


class Proxy:
    """Runs in a thread of its own, so that it serves clients that block. A context manager.

    `fates` are those of the next requests and pings; when there are none, all pass. `connections` counts those accepted so far.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = host, port
        self.host = "127.0.0.1"
        self.port = 0
        self.fates: deque[Fate] = deque()
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, self.host, 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection."""
        self._call(self._cut())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _stop(self) -> None:
        self._server.close()
        await self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, server_writer}
        self._open |= both
        fated: dict[int, Fate] = {}
        halves = [
            asyncio.ensure_future(self._carry_requests(reader, server_writer, fated)),
            asyncio.ensure_future(self._carry_answers(server_reader, writer, fated)),
        ]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)
            writer.close()
            server_writer.transport.abort()
            self._open -= both

    async def _carry_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fated: dict[int, Fate]) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, request_id, frame = await _frame(reader)
                fate = self.fates.popleft() if kind in (Kind.REQUEST, Kind.PING) and self.fates else Fate.PASSES
                if fate is Fate.CUT_BEFORE:
                    return
                if fate is Fate.LOST:
                    continue
                fated[request_id] = fate
                writer.write(frame)
                await writer.drain()

    async def _carry_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fated: dict[int, Fate]) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                _, request_id, frame = await _frame(reader)
                fate = fated.pop(request_id, Fate.PASSES)
                if fate is Fate.CUT_AFTER:
                    return
                if fate is Fate.CUT_WITHIN:
                    writer.write(frame[: len(frame) // 2])
                    return
                writer.write(frame)
                await writer.drain()


async def _frame(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Kind, request id and bytes of the next frame."""
    length = await reader.readexactly(LENGTH_BYTES)
    rest = await reader.readexactly(struct.unpack("<I", length)[0])
    request_id: int = struct.unpack_from("<I", rest, 4)[0]
    return rest[0], request_id, length + rest
