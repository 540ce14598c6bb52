"""Connections that are lost: what is repeated, what is not, and what the caller is told."""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hippod.testing import ServerProcess
from hippod_client import Client, DataType, Field, calls
from hippod_client.aio import client as asynchronous
from hippod_client.errors import AuthenticationFailed, ClientTimeout, ConnectionLost, HippodError, ProtocolError, RetryLater
from hippod_client.sync import Client as SyncClient
from hippod_client.sync import client as blocking
from hippod_client.sync import connection
from hippod_client.wire.bodies import encode_body
from hippod_client.wire.frames import Kind, encode_frame
from tests.client.both import connected, new_client
from tests.client.proxy import Fate, Proxy

FIELDS = [Field("id", DataType.INT64, primary_key=True), Field("v", DataType.FLOAT_VECTOR, dimension=4)]


def rows(first: int, count: int = 1) -> dict[str, object]:
    return {"id": np.arange(first, first + count), "v": np.ones((count, 4), np.float32)}


@pytest.fixture
async def through(both: Client, proxy: Proxy, kind: str) -> AsyncIterator[Client]:
    """A client behind the proxy, in a database with an empty table `t`."""
    await both.create_table("t", FIELDS)
    async with connected(kind, proxy.host, proxy.port, database=both.database, timeout=20) as client:
        yield client


@pytest.fixture
def nowhere() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("fate", [Fate.CUT_BEFORE, Fate.CUT_AFTER, Fate.CUT_WITHIN])
async def test_a_read_is_repeated_over_a_new_connection(through: Client, proxy: Proxy, fate: Fate) -> None:
    await through.insert("t", rows(0, 3))
    proxy.fates += [fate, fate]
    assert await through.count("t") == 3
    assert proxy.connections == 3
    proxy.fates += [fate]
    await through.ping()
    assert proxy.connections == 4


@pytest.mark.parametrize(("fate", "applied"), [(Fate.CUT_BEFORE, 0), (Fate.CUT_AFTER, 1), (Fate.CUT_WITHIN, 1)])
async def test_a_write_that_was_sent_is_not_repeated_and_its_outcome_is_unknown(
    through: Client, proxy: Proxy, fate: Fate, applied: int
) -> None:
    proxy.fates.append(fate)
    with pytest.raises(ConnectionLost) as raised:
        await through.insert("t", rows(0))
    assert raised.value.outcome_unknown
    assert await through.count("t") == applied
    assert (await through.upsert("t", rows(0))).count == 1


async def test_a_write_after_the_connection_was_lost_goes_over_a_new_one(
    through: Client, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_PAUSE_S", 0.0)
    for number in range(3):
        proxy.cut()
        await _lost_is_noticed(through)
        assert (await through.insert("t", rows(number))).count == 1
    assert await through.count("t") == 3


async def _lost_is_noticed(client: Client) -> None:
    """The loop of the asyncio client has seen the end of its connection; the blocking client looks by itself."""
    if isinstance(client, Client):
        async with asyncio.timeout(20):
            while client._connection is not None and client._connection.is_open:
                await asyncio.sleep(0)


@pytest.mark.parametrize("is_write", [False, True])
async def test_without_an_answer_a_call_ends_in_time_and_the_next_is_well(through: Client, proxy: Proxy, is_write: bool) -> None:
    proxy.fates.append(Fate.LOST)
    with pytest.raises(ClientTimeout) as raised:
        await (through.insert("t", rows(0), timeout=0.2) if is_write else through.count("t", timeout=0.2))
    assert raised.value.outcome_unknown is is_write
    assert await through.count("t") == 0


async def test_reads_go_on_over_a_restart_of_the_server(tmp_path: Path, kind: str) -> None:
    with ServerProcess(tmp_path / "data") as server, Proxy(server.host, server.port) as proxy:
        async with connected(kind, proxy.host, proxy.port) as client:
            await client.create_table("t", FIELDS)
            await client.insert("t", rows(0, 5))
            server_id = client.server_id
            await asyncio.to_thread(server.kill)
            reading = [asyncio.ensure_future(client.count("t")) for _ in range(3)]
            await asyncio.to_thread(server.start)
            proxy.target = server.host, server.port
            assert await asyncio.gather(*reading) == [5, 5, 5]
            assert client.server_id == server_id
            assert (await client.insert("t", rows(5))).count == 1


async def test_a_server_that_stays_away_is_given_up_within_the_time_allowed(through: Client, proxy: Proxy, nowhere: int) -> None:
    proxy.target = proxy.host, nowhere
    proxy.cut()
    with pytest.raises((ConnectionLost, ClientTimeout)) as raised:
        await through.count("t", timeout=0.5)
    assert not raised.value.outcome_unknown
    assert proxy.connections > 2


async def test_without_a_time_out_a_server_that_stays_away_is_given_up_after_some_attempts(
    through: Client, proxy: Proxy, nowhere: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (asynchronous, blocking):
        monkeypatch.setattr(module, "ATTEMPTS_MAX", 3)
    proxy.target = proxy.host, nowhere
    proxy.cut()
    with pytest.raises(ConnectionLost):
        await through.count("t", timeout=None)


def test_attempts_come_slower_and_slower_and_not_all_at_once() -> None:
    longest = [max(calls.backoff_s(attempt) for _ in range(200)) for attempt in range(1, 12)]
    shortest = [min(calls.backoff_s(attempt) for _ in range(200)) for attempt in range(1, 12)]
    assert all(earlier < later for earlier, later in itertools.pairwise(longest[:6]))
    assert max(longest) <= 2.0
    assert min(longest[i] - shortest[i] for i in range(11)) > 0


async def test_the_first_connection_is_tried_once(kind: str, nowhere: int) -> None:
    with pytest.raises(ConnectionLost, match=f"cannot connect to 127.0.0.1:{nowhere}"):
        await new_client(kind, "127.0.0.1", nowhere).count("t")


async def test_a_wrong_password_is_said_at_once(kind: str, shared_server: ServerProcess) -> None:
    client = new_client(kind, shared_server.host, shared_server.port, password="wrong")
    with pytest.raises(AuthenticationFailed, match="wrong user or password"):
        await client.connect()


async def test_a_refusal_by_the_server_arrives_as_what_it_is(kind: str, tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", environment={"HIPPOD_NET_CONNECTIONS_MAX": "1"}) as server:
        async with connected(kind, server.host, server.port):
            with pytest.raises(RetryLater, match="1 connections, the most allowed"):
                await new_client(kind, server.host, server.port).connect()


async def test_closing_ends_open_calls_and_later_ones(through: Client, proxy: Proxy) -> None:
    proxy.fates.append(Fate.LOST)
    waiting = asyncio.ensure_future(through.count("t", timeout=None))
    async with asyncio.timeout(20):
        while proxy.fates:
            await asyncio.sleep(0.001)
    await through.close()
    with pytest.raises(ConnectionLost):
        await waiting
    with pytest.raises(ConnectionLost, match="the client was closed"):
        await through.count("t")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4, bytes(64), b"\xff" * 64, b"\x14\x00\x00\x00\x02" + bytes(19)])
async def test_what_is_no_hippod_server_is_recognized(kind: str, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        client = new_client(kind, *server.sockets[0].getsockname()[:2], timeout=10)
        with pytest.raises((ProtocolError, ConnectionLost)):
            await client.connect()
        await client.close()


@pytest.fixture
def alarm() -> Iterator[Callable[[], None]]:
    """Lets the main thread be interrupted in a moment, as by Ctrl-C."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)

    def begin() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.2)

    yield begin
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.timeout(method="thread")
def test_an_interrupted_call_of_the_blocking_client_leaves_no_answer_for_the_next(proxy: Proxy, alarm: Callable[[], None]) -> None:
    with SyncClient(proxy.host, proxy.port) as client:
        proxy.fates.append(Fate.LOST)
        alarm()
        with pytest.raises(KeyboardInterrupt):
            client.status()
        assert "default" in client.list_databases()
        assert proxy.connections == 2


async def test_a_server_that_does_not_read_holds_up_no_call_for_longer_than_it_may(kind: str) -> None:
    """It greets and then takes nothing more: what was sent in part is unknown, what was not sent is not."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        welcome = {"version": 1, "server": "x", "server_id": "0" * 32, "limits": {}}
        for answer, body in ((Kind.WELCOME, welcome), (Kind.LOGGED_IN, {})):
            (length,) = struct.unpack("<I", await reader.readexactly(4))
            await reader.readexactly(length)
            writer.write(b"".join(encode_frame(answer, 0, encode_body(body))))
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # the transport of a stream can
        served.append(writer)

    served: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        async with connected(kind, *server.sockets[0].getsockname()[:2], timeout=10) as client:
            large = {"id": np.arange(2), "v": np.ones((2, 1 << 20), np.float32)}
            calls = [asyncio.ensure_future(client.insert("t", large, timeout=0.5)) for _ in range(4)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} <= {ClientTimeout, ConnectionLost}
            assert any(outcome.outcome_unknown for outcome in outcomes if isinstance(outcome, HippodError))
        for writer in served:
            writer.transport.abort()
