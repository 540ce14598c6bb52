"""Requests in flight: order, window, cancel, deadlines, and what a defect costs. The engine answers when the test says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import numpy as np
import pytest

from hippod.engine.operations import CountResult, Done, Search
from hippod.errors import RetryLater
from hippod_client.wire.frames import REQUESTS_IN_FLIGHT_MAX, Kind
from tests.protocol.peer import Peer, block, encoded
from tests.protocol.slow_engine import Served, served


@pytest.fixture
async def slow() -> AsyncIterator[Served]:
    async with served() as made:
        yield made


@pytest.fixture
async def peer(slow: Served) -> Peer:
    return await slow.greeted()


async def test_replies_come_in_the_order_of_their_readiness(slow: Served, peer: Peer) -> None:
    for request_id in (30, 10, 20):
        peer.request(request_id, "count", table=f"t{request_id}")
    await slow.engine.has(3)
    for position in (2, 0, 1):
        slow.engine.submitted[position].answer.set_result(CountResult(position))
    answers = [await peer.receive() for _ in range(3)]
    assert [(a.kind, a.request_id, a.body) for a in answers] == [
        (Kind.REPLY, 20, {"count": 2}),
        (Kind.REPLY, 30, {"count": 0}),
        (Kind.REPLY, 10, {"count": 1}),
    ]


async def test_a_ping_is_answered_while_requests_are_carried_out(slow: Served, peer: Peer) -> None:
    peer.request(1, "count", table="t")
    await slow.engine.has(1)
    await peer.ping(2)


async def test_no_more_than_the_window_is_begun_and_the_rest_follows(slow: Served, peer: Peer) -> None:
    peer.send_bytes(b"".join(encoded(Kind.REQUEST, n, {"op": "count", "table": "t"}) for n in range(1, 201)))
    await slow.engine.has(REQUESTS_IN_FLIGHT_MAX)
    await (await slow.greeted()).ping()
    assert len(slow.engine.submitted) == REQUESTS_IN_FLIGHT_MAX
    for number in range(200):
        await slow.engine.has(number + 1)
        slow.engine.submitted[number].answer.set_result(CountResult(number))
        assert len(slow.engine.submitted) <= REQUESTS_IN_FLIGHT_MAX + number + 1
        assert (await peer.receive()).request_id == number + 1


async def test_a_flood_of_requests_is_left_in_the_socket(slow: Served, peer: Peer) -> None:
    """Ten thousand at once: the server reads on only as it answers."""
    flood = b"".join(encoded(Kind.REQUEST, n, {"op": "count", "table": "t" * 100, "filter": "x" * 2_000}) for n in range(1, 10_001))
    writing = asyncio.ensure_future(_write_all(peer, flood))
    await slow.engine.has(REQUESTS_IN_FLIGHT_MAX)
    await (await slow.greeted()).ping()
    assert not writing.done()
    assert len(slow.engine.submitted) == REQUESTS_IN_FLIGHT_MAX
    for number in range(10_000):
        await slow.engine.has(number + 1)
        slow.engine.submitted[number].answer.set_result(CountResult(number))
        assert (await peer.receive()).body == {"count": number}
    await writing


async def _write_all(peer: Peer, data: bytes) -> None:
    peer.send_bytes(data)
    await peer.writer.drain()


async def test_a_request_id_in_flight_may_not_come_again(slow: Served, peer: Peer) -> None:
    peer.request(5, "count", table="t")
    peer.request(5, "count", table="t")
    error, goodbye = await peer.receive_to_the_end()
    assert (error.kind, error.request_id, error.code) == (Kind.ERROR, 5, "BAD_REQUEST")
    assert goodbye.kind is Kind.GOODBYE
    assert "in flight" in goodbye.message


async def test_an_id_may_be_used_again_after_its_answer(slow: Served, peer: Peer) -> None:
    for number in range(3):
        peer.request(5, "count", table="t")
        await slow.engine.has(number + 1)
        slow.engine.submitted[number].answer.set_result(CountResult(number))
        assert (await peer.receive()).body == {"count": number}


async def test_a_canceled_read_is_answered_at_once_and_given_up(slow: Served, peer: Peer) -> None:
    peer.request(5, "count", table="t")
    await slow.engine.has(1)
    peer.send(Kind.CANCEL, 5)
    answer = await peer.receive()
    assert (answer.kind, answer.request_id, answer.code) == (Kind.ERROR, 5, "CANCELED")
    assert slow.engine.submitted[0].answer.cancelled()


async def test_a_canceled_write_has_an_unknown_outcome(slow: Served, peer: Peer) -> None:
    peer.request(5, "drop_table", table="t")
    await slow.engine.has(1)
    peer.send(Kind.CANCEL, 5)
    answer = await peer.receive()
    assert (answer.kind, answer.request_id, answer.code) == (Kind.ERROR, 5, "UNKNOWN_OUTCOME")


async def test_canceling_what_is_answered_or_unknown_does_nothing(slow: Served, peer: Peer) -> None:
    peer.request(5, "count", table="t")
    await slow.engine.has(1)
    slow.engine.submitted[0].answer.set_result(CountResult(1))
    assert (await peer.receive()).kind is Kind.REPLY
    peer.send(Kind.CANCEL, 5)
    peer.send(Kind.CANCEL, 99)
    await peer.ping()


async def test_canceling_makes_room_in_the_window(slow: Served, peer: Peer) -> None:
    for request_id in range(1, REQUESTS_IN_FLIGHT_MAX + 1):
        peer.request(request_id, "count", table="t")
    await slow.engine.has(REQUESTS_IN_FLIGHT_MAX)
    peer.send(Kind.CANCEL, 1)
    assert (await peer.receive()).code == "CANCELED"
    peer.request(100, "count", table="t")
    await slow.engine.has(REQUESTS_IN_FLIGHT_MAX + 1)


async def test_with_a_full_window_pings_and_cancels_pass(slow: Served, peer: Peer) -> None:
    for request_id in range(1, REQUESTS_IN_FLIGHT_MAX + 1):
        peer.request(request_id, "count", table="t")
    await slow.engine.has(REQUESTS_IN_FLIGHT_MAX)
    await peer.ping(1_000)
    peer.send(Kind.CANCEL, 1)
    assert (await peer.receive()).request_id == 1


async def test_a_request_that_waits_for_its_place_is_canceled_before_it_begins(slow: Served, peer: Peer) -> None:
    last = REQUESTS_IN_FLIGHT_MAX + 2
    requests = [encoded(Kind.REQUEST, n, {"op": "drop_table", "table": "t"}) for n in range(1, last + 1)]
    peer.send_bytes(b"".join(requests) + encoded(Kind.CANCEL, last))
    answer = await peer.receive()
    assert (answer.request_id, answer.code, answer.message) == (last, "CANCELED", "the request was canceled before it began")
    for submitted in slow.engine.submitted:
        submitted.answer.set_result(Done())
    assert [(await peer.receive()).request_id for _ in range(REQUESTS_IN_FLIGHT_MAX)] == list(range(1, REQUESTS_IN_FLIGHT_MAX + 1))
    assert len(slow.engine.submitted) == REQUESTS_IN_FLIGHT_MAX + 1


async def test_a_read_that_is_late_is_given_up(slow: Served, peer: Peer) -> None:
    peer.request(5, "count", table="t", deadline_ms=20)
    answer = await peer.receive()
    assert (answer.kind, answer.request_id, answer.code) == (Kind.ERROR, 5, "DEADLINE_EXCEEDED")
    assert slow.engine.submitted[0].answer.cancelled()


async def test_the_engine_is_told_the_deadline_also_of_a_write(slow: Served, peer: Peer) -> None:
    peer.request(1, "drop_table", table="t", deadline_ms=50_000)
    peer.request(2, "drop_table", table="t")
    await slow.engine.has(2)
    now = asyncio.get_running_loop().time()
    given, usual = (submitted.deadline - now for submitted in slow.engine.submitted)
    assert 0 < given <= 50
    assert 50 < usual <= slow.server.options.request_timeout_s + 1e-6


async def test_a_write_that_has_begun_is_answered_after_its_deadline(slow: Served, peer: Peer) -> None:
    peer.request(5, "drop_table", table="t", deadline_ms=1)
    peer.request(6, "count", table="t", deadline_ms=1)
    assert (await peer.receive()).request_id == 6
    slow.engine.submitted[0].answer.set_result(Done())
    answer = await peer.receive()
    assert (answer.kind, answer.request_id) == (Kind.REPLY, 5)


async def test_a_defect_in_one_handler_costs_that_request_only(slow: Served, peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    peer.request(1, "count", table="t")
    peer.request(2, "count", table="t")
    await slow.engine.has(2)
    with caplog.at_level(logging.ERROR):
        slow.engine.submitted[0].answer.set_exception(ZeroDivisionError("secret of the inside"))
        broken = await peer.receive()
    assert (broken.request_id, broken.code) == (1, "INTERNAL")
    assert "secret" not in broken.message
    assert f"incident {broken.body['details']['incident']}" in caplog.text
    slow.engine.submitted[1].answer.set_result(CountResult(3))
    assert (await peer.receive()).body == {"count": 3}


@pytest.mark.parametrize("where", ["submit", "result"])
async def test_a_defect_anywhere_on_the_way_is_answered(slow: Served, peer: Peer, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if where == "submit":
        monkeypatch.setattr(slow.engine, "submit", None)
        peer.request(1, "count", table="t")
    else:
        peer.request(1, "count", table="t")
        await slow.engine.has(1)
        slow.engine.submitted[0].answer.set_result(CountResult(object()))  # type: ignore[arg-type]  # what no frame can carry
    answer = await peer.receive()
    assert (answer.kind, answer.request_id, answer.code) == (Kind.ERROR, 1, "INTERNAL")
    await peer.ping()


async def test_an_error_of_the_engine_arrives_with_code_message_and_details(slow: Served, peer: Peer) -> None:
    peer.request(9, "search", table="t", vectors=None, k=3)
    refused = await peer.receive()
    assert refused.code == "BAD_REQUEST"
    peer.request(9, "count", table="t")
    await slow.engine.has(1)
    slow.engine.submitted[0].answer.set_exception(RetryLater("busy", waiting=3, since=None))
    error = await peer.receive()
    assert error.body == {"code": "RETRY_LATER", "message": "busy", "details": {"waiting": 3, "since": "None"}}


async def test_what_a_client_sent_comes_back_shortened(slow: Served, peer: Peer) -> None:
    peer.send(Kind.REQUEST, 1, {"op": "count", "x" * 1_000_000: 1})
    unknown_field = await peer.receive()
    peer.request(2, "y" * 1_000_000)
    unknown_operation = await peer.receive()
    peer.request(3, "count", table="t")
    await slow.engine.has(1)
    slow.engine.submitted[0].answer.set_exception(RetryLater("z" * 2_000_000, name="n" * 2_000_000 + "\ud800"))
    engine_error = await peer.receive()
    for error in (unknown_field, unknown_operation, engine_error):
        assert error.kind is Kind.ERROR
        assert len(error.message) < 1_100
    assert len(engine_error.body["details"]["name"]) < 1_100


async def test_a_client_that_leaves_takes_its_reads_along_and_leaves_its_writes(slow: Served) -> None:
    peer = await slow.greeted()
    peer.request(1, "count", table="t")
    peer.request(2, "drop_table", table="t")
    await slow.engine.has(2)
    await peer.close()
    read, write = (submitted.answer for submitted in slow.engine.submitted)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(read), 10)
    assert not write.done()
    write.set_result(Done())
    await (await slow.greeted()).ping()


async def test_answers_to_requests_of_an_ended_session_are_dropped(slow: Served, caplog: pytest.LogCaptureFixture) -> None:
    peer = await slow.greeted()
    peer.request(1, "drop_table", table="t")
    peer.request(2, "count", table="t")
    await slow.engine.has(2)
    peer.send(Kind.HELLO)
    frames = await peer.receive_to_the_end()
    assert [frame.kind for frame in frames] == [Kind.GOODBYE]
    assert slow.engine.submitted[1].answer.cancelled()
    with caplog.at_level(logging.WARNING):
        slow.engine.submitted[0].answer.set_result(Done())
        await (await slow.greeted()).ping()
    assert not caplog.records


async def test_a_stopping_server_finishes_what_is_in_flight_and_takes_no_more(slow: Served, peer: Peer) -> None:
    peer.request(1, "drop_table", table="t")
    await slow.engine.has(1)
    stopping = asyncio.ensure_future(slow.server.stop())
    await asyncio.sleep(0)
    slow.engine.submitted[0].answer.set_result(Done())
    reply, goodbye = await peer.receive_to_the_end()
    assert (reply.kind, reply.request_id) == (Kind.REPLY, 1)
    assert (goodbye.kind, goodbye.code) == (Kind.GOODBYE, "RETRY_LATER")
    await stopping
    with pytest.raises(ConnectionError):
        await slow.connect()


async def test_a_search_reaches_the_engine_as_it_was_sent(slow: Served, peer: Peer) -> None:
    peer.request(1, "search", [np.array([[1, 2]], np.float32)], table="t", vectors=block(0), k=5, params={"nprobe": 3})
    await slow.engine.has(1)
    operation = slow.engine.submitted[0].operation
    assert isinstance(operation, Search)
    assert (operation.table, operation.k, operation.params, operation.vectors.tolist()) == ("t", 5, {"nprobe": 3}, [[1.0, 2.0]])
