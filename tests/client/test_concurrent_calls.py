"""Many calls on one client: the window, waiting in line, canceled tasks, deadlines, threads. The engine answers when the test says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest

from hippod.engine.operations import CountResult, Done
from hippod.testing import ServerProcess
from hippod_client import Client, DataType, Field
from hippod_client.errors import ClientTimeout, ConnectionLost, DeadlineExceeded, UnknownOutcome
from hippod_client.sync import Client as SyncClient
from hippod_client.wire.frames import REQUESTS_IN_FLIGHT_MAX
from tests.protocol.slow_engine import Served, served


@pytest.fixture
async def slow() -> AsyncIterator[Served]:
    async with served() as made:
        yield made


@pytest.fixture
async def client(slow: Served) -> AsyncIterator[Client]:
    async with Client(*slow.address) as made:
        yield made


async def test_answers_in_any_order_reach_their_callers(slow: Served, client: Client) -> None:
    calls = [asyncio.ensure_future(client.count(f"t{number}")) for number in range(40)]
    await slow.engine.has(40)
    for submitted in reversed(slow.engine.submitted):
        submitted.answer.set_result(CountResult(int(submitted.operation.table[1:])))
    assert await asyncio.gather(*calls) == list(range(40))


async def test_calls_over_the_window_wait_their_turn(slow: Served, client: Client) -> None:
    calls = [asyncio.ensure_future(client.count("t")) for _ in range(1_000)]
    for number in range(1_000):
        await slow.engine.has(number + 1)
        in_flight = sum(not submitted.answer.done() for submitted in slow.engine.submitted)
        assert in_flight <= REQUESTS_IN_FLIGHT_MAX
        slow.engine.submitted[number].answer.set_result(CountResult(number))
    assert await asyncio.gather(*calls) == list(range(1_000))


async def full_window(slow: Served, client: Client) -> list[asyncio.Task[int]]:
    calls = [asyncio.ensure_future(client.count("t")) for _ in range(REQUESTS_IN_FLIGHT_MAX)]
    await slow.engine.has(REQUESTS_IN_FLIGHT_MAX)
    return calls


async def test_a_call_that_was_never_sent_has_a_known_outcome(slow: Served, client: Client) -> None:
    calls = await full_window(slow, client)
    with pytest.raises(ClientTimeout, match="waited to be sent") as raised:
        await client.drop_table("t", timeout=0.05)
    assert not raised.value.outcome_unknown
    assert len(slow.engine.submitted) == REQUESTS_IN_FLIGHT_MAX
    for submitted in slow.engine.submitted:
        submitted.answer.set_result(CountResult(0))
    await asyncio.gather(*calls)


async def test_a_canceled_task_frees_the_server_and_the_connection_goes_on(slow: Served, client: Client) -> None:
    call = asyncio.ensure_future(client.count("t"))
    await slow.engine.has(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(slow.engine.submitted[0].answer), 20)
    again = asyncio.ensure_future(client.count("t"))
    await slow.engine.has(2)
    slow.engine.submitted[1].answer.set_result(CountResult(9))
    assert await again == 9
    assert len(slow.server._sessions) == 1


async def test_a_canceled_task_that_waits_in_line_gives_its_turn_to_the_next(slow: Served, client: Client) -> None:
    calls = await full_window(slow, client)
    first, second = (asyncio.ensure_future(client.count(name)) for name in ("first", "second"))
    await asyncio.sleep(0)
    first.cancel()
    slow.engine.submitted[0].answer.set_result(CountResult(0))
    await slow.engine.has(REQUESTS_IN_FLIGHT_MAX + 1)
    assert slow.engine.submitted[-1].operation.table == "second"  # type: ignore[attr-defined]  # a count
    for submitted in slow.engine.submitted[1:]:
        submitted.answer.set_result(CountResult(0))
    await asyncio.gather(second, *calls)
    assert first.cancelled()


async def test_canceled_tasks_in_any_number_leave_a_whole_window(slow: Served, client: Client) -> None:
    for round_number in range(3):
        calls = [asyncio.ensure_future(client.count("t")) for _ in range(REQUESTS_IN_FLIGHT_MAX)]
        await slow.engine.has((round_number + 1) * REQUESTS_IN_FLIGHT_MAX)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert len(slow.server._sessions) == 1


async def test_a_read_that_is_late_is_ended_by_the_server(slow: Served, client: Client) -> None:
    """The server gives up a little before the client does, so that its answer arrives; should it not, the client gives up itself."""
    with pytest.raises((DeadlineExceeded, ClientTimeout)) as raised:
        await client.count("t", timeout=0.4)
    assert not raised.value.outcome_unknown
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(slow.engine.submitted[0].answer), 20)


async def test_a_write_that_is_late_has_an_unknown_outcome_and_the_connection_goes_on(slow: Served, client: Client) -> None:
    with pytest.raises((ClientTimeout, UnknownOutcome)) as raised:
        await client.drop_table("t", timeout=0.1)
    assert raised.value.outcome_unknown
    again = asyncio.ensure_future(client.drop_table("t"))
    await slow.engine.has(2)
    slow.engine.submitted[1].answer.set_result(Done())
    await again
    assert len(slow.server._sessions) == 1


async def test_when_the_connection_ends_reads_are_repeated_and_writes_are_not(slow: Served, client: Client) -> None:
    write = asyncio.ensure_future(client.drop_table("t"))
    reads = [asyncio.ensure_future(client.count("t")) for _ in range(3)]
    await slow.engine.has(4)
    for session in list(slow.server._sessions):
        session.abort()
    with pytest.raises(ConnectionLost) as raised:
        await write
    assert raised.value.outcome_unknown
    await slow.engine.has(7)
    for submitted in slow.engine.submitted[4:]:
        submitted.answer.set_result(CountResult(5))
    assert await asyncio.gather(*reads) == [5, 5, 5]
    assert len(slow.engine.submitted) == 7


async def test_calls_of_an_unconnected_client_share_one_connection(slow: Served) -> None:
    client = Client(*slow.address)
    calls = [asyncio.ensure_future(client.count("t")) for _ in range(10)]
    await slow.engine.has(10)
    assert len(slow.server._sessions) == 1
    for submitted in slow.engine.submitted:
        submitted.answer.set_result(CountResult(1))
    await asyncio.gather(*calls)
    await client.close()


def test_threads_share_a_blocking_client(shared_server: ServerProcess) -> None:
    with SyncClient(shared_server.host, shared_server.port) as client:
        client.create_database("threads")
        client.database = "threads"
        client.create_table("t", [Field("id", DataType.INT64, primary_key=True), Field("v", DataType.FLOAT_VECTOR, dimension=2)])
        wrong: list[object] = []

        def work(number: int) -> None:
            for key in range(number * 100, number * 100 + 20):
                client.insert("t", {"id": [key], "v": np.full((1, 2), key, np.float32)})
                found = client.get("t", [key])[0]["v"]
                if list(found) != [key, key]:
                    wrong.append((key, found))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not wrong
        assert client.count("t") == 100


async def test_a_call_of_a_thread_waits_for_those_of_others_no_longer_than_it_may(slow: Served) -> None:
    client = SyncClient(*slow.address, timeout=20)
    first = asyncio.ensure_future(asyncio.to_thread(client.count, "t"))
    await slow.engine.has(1)
    with pytest.raises(ClientTimeout, match="other threads") as raised:
        await asyncio.to_thread(client.drop_table, "t", timeout=0.05)
    assert not raised.value.outcome_unknown
    slow.engine.submitted[0].answer.set_result(CountResult(2))
    assert await first == 2
    await asyncio.to_thread(client.close)
