"""What the worst requests cost a server process in memory: about their own size, never a multiple that grows with what they claim."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path

import msgpack
import numpy as np
import pytest

from hippod.testing import ServerProcess
from hippod_client.wire.frames import BODY_BYTES_MAX, FRAME_BYTES_MAX, Kind
from tests.protocol.peer import Peer, connected, encoded

MIB = 1 << 20
EMPTY_LISTS = b"\x81\xa1a\xdd" + struct.pack(">I", 100_000) + b"\x90" * 100_000
WORST = {
    "100,000 empty lists": EMPTY_LISTS,
    "lists in lists": msgpack.packb({"op": "count", "table": [[[0] * 16] * 16] * 250}),
    "1,000 maps of 1,000": msgpack.packb({"op": "count", "table": [{str(n): 0 for n in range(1_000)}] * 150}),
    "a megabyte of one string": msgpack.packb({"op": "count", "table": "x" * (BODY_BYTES_MAX - 100)}),
    "a megabyte of short keys": msgpack.packb({"op": "search", "params": {f"{n:x}": 0 for n in range(1_024)}, "x": "y" * 900_000}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("memory") / "data") as made:
        yield made


def peak_bytes(server: ServerProcess) -> int:
    """The most memory that the process has had resident so far."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.split("VmHWM:", 1)[1].split(None, 1)[0]) * 1_024


async def ask_often(server: ServerProcess, frame: bytes) -> None:
    """On 20 connections at the same time; each gets an error, with or without a goodbye."""
    async with connected(server.host, server.port) as other:
        peers = [await (await Peer.connect(server.host, server.port)).greet() for _ in range(20)]
        for peer in peers:
            peer.send_bytes(frame)
        for peer in peers:
            assert (await peer.receive()).kind is Kind.ERROR
            await peer.close()
        await other.ping()


@pytest.mark.parametrize("body", WORST)
async def test_the_worst_bodies_cost_little(server: ServerProcess, body: str) -> None:
    await ask_often(server, encoded(Kind.REQUEST, 1, {"op": "no_such"}))
    before = peak_bytes(server)
    await ask_often(server, encoded(Kind.REQUEST, 1, WORST[body]))
    assert peak_bytes(server) - before < 64 * MIB


async def test_frames_that_are_never_finished_cost_what_was_sent(server: ServerProcess) -> None:
    header = struct.pack("<IBBHIIII", FRAME_BYTES_MAX - 4, Kind.REQUEST, 0, 1, 1, 16, 0, 0)
    before = peak_bytes(server)
    peers = [await (await Peer.connect(server.host, server.port)).greet() for _ in range(40)]
    for peer in peers:
        peer.send_bytes(header + bytes(MIB))
        await peer.writer.drain()
    async with connected(server.host, server.port) as other:
        await other.ping()
    assert peak_bytes(server) - before < 160 * MIB
    for peer in peers:
        await peer.close()


async def test_large_frames_of_many_connections_are_taken_one_by_one(server: ServerProcess) -> None:
    """Six connections send 48 MiB each: what has been answered is given back."""
    frame = encoded(Kind.REQUEST, 1, {"op": "no_such"}, [np.zeros(12 << 20, np.float32)])

    async def send() -> None:
        async with connected(server.host, server.port) as peer:
            peer.send_bytes(frame)
            assert (await peer.receive()).code == "BAD_REQUEST"

    before = peak_bytes(server)
    for _ in range(3):
        await asyncio.gather(send(), send())
    assert peak_bytes(server) - before < 6 * len(frame)
