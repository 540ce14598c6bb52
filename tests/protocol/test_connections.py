"""Who may connect, for how long they may be silent or half done, and what clients that do not read cost."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter

import numpy as np
import pytest

from hippod.engine.access import Principal
from hippod.engine.operations import Get, GetResult
from hippod.errors import AuthenticationFailed
from hippod.net import logins
from hippod.net.native import server as native
from hippod.net.native.session import Session
from hippod_client.wire.frames import FRAME_BYTES_MAX, LOGIN_FRAME_BYTES_MAX, Kind
from tests.protocol.peer import HELLO, LOGIN, PATIENCE_S, Peer, block, encoded
from tests.protocol.slow_engine import Served, served

SHORT_S = 0.15


async def goodbye_of(peer: Peer) -> tuple[str, str]:
    """Code and message of the goodbye that ends the connection, the last thing to come."""
    frames = await peer.receive_to_the_end()
    assert frames, "closed without a word"
    assert frames[-1].kind is Kind.GOODBYE
    return frames[-1].code, frames[-1].message


async def test_connections_over_the_limit_are_refused_with_a_reason_and_harm_nobody() -> None:
    async with served(connections_max=2) as slow:
        first, second = await slow.greeted(), await slow.greeted()
        for _ in range(3):
            assert await goodbye_of(await slow.connect()) == ("RETRY_LATER", "there are 2 connections, the most allowed")
        await first.ping()
        await second.close()
        await (await greeted_in_time(slow)).ping()
        await first.ping()


async def greeted_in_time(slow: Served) -> Peer:
    """A connection that is taken as soon as the server has noticed that another is gone."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            peer: Peer = await slow.connect()
            peer.send_bytes(HELLO)
            if (await peer.receive()).kind is Kind.WELCOME:
                peer.send_bytes(LOGIN)
                assert (await peer.receive()).kind is Kind.LOGGED_IN
                return peer


async def test_a_flood_of_refused_connections_takes_no_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_REFUSED_MAX", 4)
    async with served(connections_max=1) as slow:
        first = await slow.greeted()
        flood = [await slow.connect() for _ in range(20)]
        await first.ping()
        assert len(slow.server._sessions) <= 8
        await first.close()
        await (await greeted_in_time(slow)).ping()
        for peer in flood:
            await peer.receive_to_the_end()


async def test_connections_from_one_address_are_limited_but_not_from_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(connections_per_address_max=1) as slow:
        local = [await slow.greeted() for _ in range(3)]
        for peer in local:
            await peer.ping()
        monkeypatch.setattr(native, "_is_loopback", lambda _address: False)
        code, message = await goodbye_of(await slow.connect())
        assert (code, "from your address" in message) == ("RETRY_LATER", True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::1%lo", ""])
def test_addresses_of_this_machine_are_known(address: str) -> None:
    assert native._is_loopback(address)
    assert not native._is_loopback("192.0.2.1")


@pytest.mark.parametrize("sent", [b"", HELLO[:10], HELLO, HELLO + LOGIN[:20]])
async def test_without_a_login_a_connection_ends_soon(sent: bytes) -> None:
    async with served(login_timeout_s=SHORT_S) as slow:
        other = await slow.greeted()
        peer = await slow.connect()
        peer.send_bytes(sent)
        assert await goodbye_of(peer) == ("DEADLINE_EXCEEDED", f"no login within {SHORT_S:g} seconds")
        await other.ping()


async def test_a_frame_that_does_not_get_complete_ends_the_connection() -> None:
    """Bytes that drip in do not help: the time counts from the beginning of the frame."""
    async with served(frame_timeout_s=SHORT_S) as slow:
        peer = await slow.greeted()
        frame = encoded(Kind.REQUEST, 1, {"op": "count", "table": "t" * 1_000})
        for at in range(10):
            peer.send_bytes(frame[at : at + 1])
            await asyncio.sleep(SHORT_S / 5)
        assert await goodbye_of(peer) == ("DEADLINE_EXCEEDED", f"a frame was not complete within {SHORT_S:g} seconds")


async def test_frames_that_each_come_in_time_may_overlap_for_long() -> None:
    async with served(frame_timeout_s=SHORT_S) as slow:
        peer = await slow.greeted()
        stream = b"".join(encoded(Kind.PING, n) for n in range(1, 40))
        for at in range(0, len(stream), 36):
            peer.send_bytes(stream[at : at + 36])
            await asyncio.sleep(SHORT_S / 10)
        assert [(await peer.receive()).request_id for _ in range(39)] == list(range(1, 40))


async def test_an_idle_connection_ends_but_not_one_that_waits_for_an_answer() -> None:
    async with served(idle_timeout_s=SHORT_S) as slow:
        idle, waiting = await slow.greeted(), await slow.greeted()
        waiting.request(1, "drop_table", table="t")
        assert await goodbye_of(idle) == ("DEADLINE_EXCEEDED", f"nothing was sent for {SHORT_S:g} seconds")
        slow.engine.submitted[0].answer.set_result({})
        assert (await waiting.receive()).kind is Kind.REPLY
        await waiting.ping()
        assert (await goodbye_of(waiting))[0] == "DEADLINE_EXCEEDED"


async def test_a_defect_during_a_login_is_told_and_costs_only_this_connection() -> None:
    async def check(user: str, password: str) -> Principal:
        if password != "shiva":
            raise MemoryError("no memory for a hash")
        return Principal(user)

    async with served(check) as slow:
        peer = await slow.connect()
        peer.send_bytes(HELLO)
        peer.send(Kind.LOGIN, body={"user": "shiva", "password": "other"})
        assert [(frame.kind, frame.body.get("code")) for frame in await peer.receive_to_the_end()] == [
            (Kind.WELCOME, None),
            (Kind.ERROR, "INTERNAL"),
            (Kind.GOODBYE, "INTERNAL"),
        ]
        await (await slow.greeted()).ping()


@pytest.mark.parametrize("length", [0, 1, 19, LOGIN_FRAME_BYTES_MAX - 3, FRAME_BYTES_MAX, 0x7FFFFFFF, 0xFFFFFFFF])
async def test_before_login_a_length_that_no_greeting_has_is_refused(length: int) -> None:
    async with served() as slow:
        peer = await slow.connect()
        peer.send_bytes(struct.pack("<I", length) + HELLO[4:])
        assert (await goodbye_of(peer))[0] == "BAD_REQUEST"


@pytest.mark.parametrize("length", [0, 1, 19, FRAME_BYTES_MAX - 3, 0x80000000, 0xFFFFFFFF])
async def test_after_login_a_length_that_no_frame_has_is_refused(length: int) -> None:
    async with served() as slow:
        peer = await slow.greeted()
        peer.send_bytes(struct.pack("<I", length) + encoded(Kind.PING, 1)[4:])
        assert (await goodbye_of(peer))[0] == "BAD_REQUEST"


async def test_nothing_is_allocated_for_a_length_that_is_only_claimed() -> None:
    async with served() as slow:
        peers = [await slow.greeted() for _ in range(40)]
        header = struct.pack("<IBBHIIII", FRAME_BYTES_MAX - 4, Kind.REQUEST, 0, 1, 1, 16, 0, 0)
        for peer in peers:
            peer.send_bytes(header)
        await (await slow.greeted()).ping()
        assert sum(session._intake.unfinished_bytes for session in slow.server._sessions) == 40 * len(header)


async def test_unfinished_frames_of_all_connections_together_are_bounded() -> None:
    async with served(unfinished_frames_bytes_max=5 << 20) as slow:
        header = struct.pack("<IBBHIIII", FRAME_BYTES_MAX - 4, Kind.REQUEST, 0, 1, 1, 16, 0, 0)
        first, second = await slow.greeted(), await slow.greeted()
        for peer in (first, second):
            peer.send_bytes(header + bytes(4 << 20))
        ended, _ = await asyncio.wait(
            [asyncio.ensure_future(goodbye_of(peer)) for peer in (first, second)], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S
        )
        assert [task.result()[0] for task in ended] == ["RETRY_LATER"]
        await (await slow.greeted()).ping()


async def test_a_connection_that_brings_much_gets_its_turn_like_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the loop turns on all the time, and nothing else is ready: so much of a long frame is taken in each turn."""
    taken: Counter[int] = Counter()
    turn = 0
    receive = Session.data_received

    def received(session: Session, data: bytes) -> None:
        taken[turn] += len(data)
        receive(session, data)

    def send(host: str, port: int) -> None:
        with socket.create_connection((host, port), PATIENCE_S) as sender:
            sender.sendall(HELLO + LOGIN)
            while Kind.LOGGED_IN not in kinds_in(sender.recv(4_096)):
                pass
            sender.sendall(struct.pack("<IBBHIIII", FRAME_BYTES_MAX - 4, Kind.REQUEST, 0, 1, 1, 16, 0, 0) + bytes(32 << 20))

    monkeypatch.setattr(Session, "data_received", received)
    async with served() as slow:
        sending = asyncio.create_task(asyncio.to_thread(send, *slow.address))
        while not sending.done():
            turn += 1
            await asyncio.sleep(0)
        assert sum(taken.values()) > 1 << 20
        assert max(taken.values()) <= 256 << 10


def kinds_in(data: bytes) -> list[int]:
    """The kinds of the frames in `data`."""
    kinds = []
    while data:
        kinds.append(data[4])
        data = data[struct.unpack_from("<I", data)[0] + 4 :]
    return kinds


def rows_reply(megabytes: int) -> GetResult:
    return GetResult([], np.zeros(megabytes << 18, np.int32))


async def unread_peer(slow: Served, requests: int) -> Peer:
    """A peer that has asked and does not read: its socket takes little, so what is answered waits in the server."""
    peer = await slow.greeted()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # the transport of a stream can
    body = {"op": "get", "table": "t", "keys": {"field": "", "values": block(0)}}
    peer.send_bytes(b"".join(encoded(Kind.REQUEST, number, body, [np.arange(1)]) for number in range(1, requests + 1)))
    return peer


async def test_while_replies_lie_unread_nothing_more_is_begun_and_then_it_goes_on() -> None:
    async with served(unread_replies_bytes_max=1 << 20) as slow:
        peer = await unread_peer(slow, 200)
        await slow.engine.has(64)
        for submitted in slow.engine.submitted[:4]:
            submitted.answer.set_result(rows_reply(8))
        await (await slow.greeted()).ping()
        assert len(slow.engine.submitted) == 64
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for number in range(200):
            await slow.engine.has(number + 1)
            answer = slow.engine.submitted[number].answer
            if not answer.done():
                answer.set_result(rows_reply(0))
            assert (await peer.receive()).request_id == number + 1


async def test_a_client_that_reads_nothing_is_closed_and_its_replies_freed() -> None:
    async with served(unread_replies_bytes_max=1 << 20, slow_reader_timeout_s=SHORT_S) as slow:
        await unread_peer(slow, 64)
        await slow.engine.has(64)
        other = await slow.greeted()
        for submitted in slow.engine.submitted[:3]:
            submitted.answer.set_result(rows_reply(8))
        async with asyncio.timeout(PATIENCE_S):
            while len(slow.server._sessions) > 1:
                await other.ping()
        assert all(submitted.answer.done() for submitted in slow.engine.submitted)


async def test_a_client_that_reads_slowly_is_no_client_that_does_not_read() -> None:
    async with served(unread_replies_bytes_max=1 << 16, slow_reader_timeout_s=3 * SHORT_S) as slow:
        peer = await unread_peer(slow, 1)
        await slow.engine.has(1)
        slow.engine.submitted[0].answer.set_result(rows_reply(24))
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(8):
            await asyncio.wait_for(peer.reader.readexactly(3 << 20), PATIENCE_S)
            await asyncio.sleep(SHORT_S / 2)
        assert len(slow.server._sessions) == 1


async def test_reads_are_refused_while_a_frames_worth_of_replies_waits() -> None:
    async with served(unread_replies_bytes_max=1 << 20) as slow:
        peer = await unread_peer(slow, 12)
        await slow.engine.has(12)
        for submitted in slow.engine.submitted:
            submitted.answer.set_result(rows_reply(16))
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        kinds = [(await peer.receive()).kind for _ in range(12)]
        assert kinds[0] is Kind.REPLY
        assert 3 <= kinds.count(Kind.REPLY) <= 8, "64 MiB and what the sockets hold"
        assert isinstance(slow.engine.submitted[0].operation, Get)


async def test_a_wrong_password_and_an_unknown_user_get_the_same_words_and_the_end() -> None:
    async with served() as slow:
        texts = set()
        for user, password in (("shiva", "wrong"), ("nobody", "shiva"), ("", "")):
            peer = await slow.connect()
            peer.send_bytes(HELLO)
            await peer.receive()
            peer.send(Kind.LOGIN, 0, {"user": user, "password": password})
            error, goodbye = await peer.receive_to_the_end()
            assert (error.kind, goodbye.kind) == (Kind.ERROR, Kind.GOODBYE)
            texts.add((error.code, error.message))
        assert texts == {("AUTHENTICATION_FAILED", "wrong user or password")}


async def test_only_so_many_passwords_are_checked_at_once_that_a_processor_is_left() -> None:
    checking: list[asyncio.Future[Principal]] = []
    came = asyncio.Semaphore(0)

    async def check(user: str, _password: str) -> Principal:
        if user != "shiva":
            raise AuthenticationFailed("wrong user or password")
        checking.append(asyncio.get_running_loop().create_future())
        came.release()
        return await checking[-1]

    async with served(check) as slow:
        peers = [await slow.connect() for _ in range(10)]
        for peer in peers:
            peer.send_bytes(HELLO + LOGIN)
        for number in range(10):
            await asyncio.wait_for(came.acquire(), PATIENCE_S)
            if number == logins.HASHES_MAX - 1:
                assert len(checking) == logins.HASHES_MAX
                other = await slow.connect()
                other.send(Kind.HELLO, 0, {"versions": [1], "client": "x"})
                assert (await other.receive()).kind is Kind.WELCOME
            if number >= logins.HASHES_MAX - 1:
                checking[number - logins.HASHES_MAX + 1].set_result(Principal("shiva"))
        for future in checking[11 - logins.HASHES_MAX :]:
            future.set_result(Principal("shiva"))
        for peer in peers:
            assert (await peer.receive()).kind is Kind.WELCOME
            assert (await peer.receive()).kind is Kind.LOGGED_IN
