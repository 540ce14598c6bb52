"""The other end of a connection, with nothing done for it: bytes out, frames in. Tests of the server speak through it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, Self

import msgpack

from hippod_client.wire.arrays import WireArray, WireLists
from hippod_client.wire.bodies import decode_body
from hippod_client.wire.frames import LENGTH_BYTES, Kind, encode_frame, split_frame

PATIENCE_S = 20.0


class Frame(NamedTuple):
    kind: Kind
    request_id: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        """The code of an ERROR or GOODBYE."""
        return str(self.body["code"])

    @property
    def message(self) -> str:
        return str(self.body["message"])


def encoded(
    kind: Kind, request_id: int = 0, body: dict[str, Any] | bytes = b"", arrays: Sequence[WireArray] = (), deadline_ms: int = 0
) -> bytes:
    packed = body if isinstance(body, bytes) else msgpack.packb(body)
    return b"".join(encode_frame(kind, request_id, packed, arrays, deadline_ms))


def block(number: int) -> msgpack.ExtType:
    """The value of a body that stands for block `number`."""
    return msgpack.ExtType(1, struct.pack("<H", number))


def list_blocks(offsets: int, values: int) -> msgpack.ExtType:
    return msgpack.ExtType(2, struct.pack("<HH", offsets, values))


HELLO = encoded(Kind.HELLO, body={"versions": [1], "client": "peer"})
LOGIN = encoded(Kind.LOGIN, body={"user": "shiva", "password": "shiva"})


class Peer:
    """Every wait ends after PATIENCE_S: a server that does not answer fails the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, host: str, port: int) -> Self:
        return cls(*await asyncio.open_connection(host, port))

    async def greet(self) -> Self:
        """Hello and login, both answered well."""
        self.send_bytes(HELLO)
        assert (await self.receive()).kind is Kind.WELCOME
        self.send_bytes(LOGIN)
        assert (await self.receive()).kind is Kind.LOGGED_IN
        return self

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    def send(
        self, kind: Kind, request_id: int = 0, body: dict[str, Any] | bytes = b"", arrays: Sequence[WireArray] = (), deadline_ms: int = 0
    ) -> None:
        self.send_bytes(encoded(kind, request_id, body, arrays, deadline_ms))

    def request(self, request_id: int, op: str, arrays: Sequence[WireArray] = (), deadline_ms: int = 0, **fields: Any) -> None:
        self.send(Kind.REQUEST, request_id, {"op": op, **fields}, arrays, deadline_ms)

    async def ask(self, op: str, arrays: Sequence[WireArray] = (), **fields: Any) -> Frame:
        """Send one request and return the frame that comes next."""
        self.request(7, op, arrays, **fields)
        return await self.receive()

    async def receive(self) -> Frame:
        """The next frame; IncompleteReadError at the end."""
        async with asyncio.timeout(PATIENCE_S):
            length = await self.reader.readexactly(LENGTH_BYTES)
            rest = await self.reader.readexactly(struct.unpack("<I", length)[0])
        header, body, arrays = split_frame(memoryview(length + rest))
        return Frame(header.kind, header.request_id, decode_body(body, arrays))

    async def receive_to_the_end(self) -> list[Frame]:
        """All frames until the server closes. A reset counts as an end."""
        frames = []
        try:
            while True:
                frames.append(await self.receive())
        except (asyncio.IncompleteReadError, ConnectionError):
            return frames

    async def ping(self, request_id: int = 1) -> None:
        self.send(Kind.PING, request_id)
        pong = await self.receive()
        assert (pong.kind, pong.request_id) == (Kind.PONG, request_id)

    async def close(self) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def values_of(cells: Any) -> Any:
    """A decoded block as plain Python."""
    return cells.to_list() if isinstance(cells, WireLists) or not hasattr(cells, "tolist") else cells.tolist()


@asynccontextmanager
async def connected(host: str, port: int) -> AsyncIterator[Peer]:
    """A peer that is logged in."""
    peer = await Peer.connect(host, port)
    try:
        yield await peer.greet()
    finally:
        await peer.close()
