"""The bytes of a session cut anywhere, changed anywhere, or made up: the answers are a prefix or a clear error, and nobody else notices."""

from __future__ import annotations

import asyncio
import itertools
import struct
import typing
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgpack
import msgspec
import numpy as np
import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hippod.engine.operations import AnyOperation
from hippod.net import logins
from hippod_client.errors import SERVER_ERRORS
from hippod_client.wire.arrays import WireArray, WireStrings
from hippod_client.wire.frames import Kind
from tests.protocol.peer import HELLO, LOGIN, Frame, Peer, block, connected, encoded, list_blocks
from tests.protocol.real_engine import Served, served

T = TypeVar("T")

VECTORS = np.arange(8, dtype=np.float32).reshape(2, 4)
COLUMNS = [
    {"field": "id", "values": block(0)},
    {"field": "title", "values": block(1)},
    {"field": "pages", "values": block(2), "valid": block(3)},
    {"field": "v", "values": block(4)},
]
CELLS: list[WireArray] = [np.arange(2), WireStrings.of(["one", "two"]), np.array([1, 2], np.int32), np.array([True, False]), VECTORS]
KEYS = {"field": "", "values": block(0)}

GREETING = HELLO + LOGIN
# Always the same answers, as often as they are sent, and whether they are answered at all.
REQUESTS = [
    (encoded(Kind.PING, 1), True),
    (encoded(Kind.REQUEST, 2, {"op": "upsert", "table": "t", "columns": COLUMNS}, CELLS), True),
    (encoded(Kind.REQUEST, 3, {"op": "list_tables"}, deadline_ms=5_000), True),
    (encoded(Kind.REQUEST, 4, {"op": "no_such"}), True),
    (encoded(Kind.REQUEST, 5, {"op": "count", "table": "t", "filter": "id <"}), True),
    (encoded(Kind.CANCEL, 99), False),
    (encoded(Kind.REQUEST, 6, {"op": "search", "table": "t", "vectors": block(0), "k": 1}, [VECTORS[:1] + 9]), True),
    (encoded(Kind.PING, 7), True),
]
SESSION = GREETING + b"".join(frame for frame, _ in REQUESTS)


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data") as made:
        yield made


async def session(real: Served, stream: bytes) -> list[Frame]:
    """All answers to a stream that ends. If it begins as it should it waits for the answers to that, as it must."""
    peer = await real.connect()
    try:
        if stream.startswith(GREETING):
            await peer.greet()
            stream = stream[len(GREETING) :]
        peer.send_bytes(stream)
        peer.writer.write_eof()
        return await peer.receive_to_the_end()
    finally:
        await peer.close()


def check_frames(frames: list[Frame]) -> None:
    """Frames that a server may send, whatever it was sent: no defect of its own among them, and after a goodbye nothing."""
    for position, frame in enumerate(frames):
        assert frame.kind in (Kind.WELCOME, Kind.LOGGED_IN, Kind.REPLY, Kind.ERROR, Kind.PONG, Kind.GOODBYE)
        if frame.kind in (Kind.ERROR, Kind.GOODBYE):
            assert frame.code in SERVER_ERRORS
            assert frame.code != "INTERNAL", frame.message
        if frame.kind is Kind.GOODBYE:
            assert position == len(frames) - 1


async def others_are_served(real: Served, other: Peer) -> None:
    await other.ping()
    assert (await other.ask("list_databases")).body == {"databases": ["default"]}


def whole_requests(size: int) -> int:
    """How many of REQUESTS that are answered end within the first `size` bytes behind the greeting."""
    ends = itertools.accumulate(len(frame) for frame, _ in REQUESTS)
    return sum(is_answered for end, (_, is_answered) in zip(ends, REQUESTS, strict=True) if end <= size)


async def test_requests_cut_at_any_byte_are_answered_as_far_as_they_are_whole(real: Served) -> None:
    async def answers(size: int) -> dict[int, Frame]:
        async with connected(*real.address) as peer:
            peer.send_bytes(SESSION[len(GREETING) :][:size])
            frames = [await peer.receive() for _ in range(whole_requests(size))]
            peer.writer.write_eof()
            assert await peer.receive_to_the_end() == []
            return {frame.request_id: frame for frame in frames}

    async with connected(*real.address) as other:
        last = len(SESSION) - len(GREETING)
        await answers(last)
        whole = await answers(last)
        assert [frame.kind for _, frame in sorted(whole.items())] == [
            Kind.PONG,
            Kind.REPLY,
            Kind.REPLY,
            Kind.ERROR,
            Kind.ERROR,
            Kind.REPLY,
            Kind.PONG,
        ]
        for size in range(last):
            found = await answers(size)
            for request_id, frame in found.items():
                assert repr(frame) == repr(whole[request_id]), f"cut at byte {size}"
            if size % 64 == 0:
                await others_are_served(real, other)
        await until_only(real, other)


async def test_a_greeting_cut_at_any_byte_harms_nobody(real: Served) -> None:
    async with connected(*real.address) as other:
        for size in range(len(GREETING)):
            frames = await session(real, GREETING[:size])
            assert [frame.kind for frame in frames] == ([Kind.WELCOME] if size >= len(HELLO) else [])
        await others_are_served(real, other)
        await until_only(real, other)


async def until_only(real: Served, peer: Peer) -> None:
    """Nothing is left of the other connections, nor of their unfinished frames."""
    async with asyncio.timeout(20):
        while len(real.server._sessions) > 1:
            await peer.ping()
    assert not real.server._unfinished
    assert real.server._unfinished_bytes == 0


class Fuzzer:
    """A server for a hypothesis test, with a loop that outlives each example."""

    def __init__(self, path: Path) -> None:
        self.loop = uvloop.new_event_loop()
        self._context = served(path)
        self.real = self.loop.run_until_complete(self._context.__aenter__())
        self.other = self.loop.run_until_complete(self._greeted())

    async def _greeted(self) -> Peer:
        return await (await self.real.connect()).greet()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        self.run(self.other.close())
        self.run(self._context.__aexit__(None, None, None))
        self.loop.close()


@pytest.fixture
def fuzzer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fuzzer]:
    monkeypatch.setattr(logins, "_DELAY_MAX_S", 0.0)
    made = Fuzzer(tmp_path / "data")
    yield made
    made.close()


fuzzed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def changed(stream: bytes, changes: list[tuple[int, int]]) -> bytes:
    data = bytearray(stream)
    for at, bits in changes:
        data[at % len(data)] ^= bits
    return bytes(data)


def flips_are_survived(fuzzer: Fuzzer, examples: int) -> None:
    @settings(fuzzed, max_examples=examples)
    @given(st.lists(st.tuples(st.integers(0, len(SESSION) - 1), st.integers(1, 255)), min_size=1, max_size=4))
    def check(changes: list[tuple[int, int]]) -> None:
        check_frames(fuzzer.run(session(fuzzer.real, changed(SESSION, changes))))
        fuzzer.run(others_are_served(fuzzer.real, fuzzer.other))

    check()
    fuzzer.run(until_only(fuzzer.real, fuzzer.other))


def test_a_session_with_changed_bytes_gets_answers_or_a_clear_error(fuzzer: Fuzzer) -> None:
    flips_are_survived(fuzzer, 300)


names = st.sampled_from(["t", "ix", "v", "id", "title", "default", "none", "", "..", "a/b", "\0", "é", "x" * 200]) | st.text(max_size=5)
arrays = st.sampled_from(
    [
        *CELLS,
        VECTORS[:0],
        VECTORS * np.nan,
        np.ones((3, 4), np.float64),
        np.array([], np.int64),
        np.array([2**62, -(2**62)]),
        np.ones(2, np.int8),
        WireStrings.of([]),
        WireStrings.of(["", "\0é"]),
        WireStrings(np.array([0, 1, 2], np.uint32), np.array([0xFF, 0xC3], np.uint8)),
        np.array([0, 1, 2], np.int32),
        np.array([0, 0], np.int32),
    ]
)
references = st.integers(0, 5).map(block) | st.tuples(st.integers(0, 5), st.integers(0, 5)).map(lambda pair: list_blocks(*pair))
numbers = st.sampled_from([0, 1, -1, 2, 64, 10_001, 2**31, 2**63 - 1, 2**64 - 1, -(2**63)]) | st.floats()
filters = st.sampled_from(
    ["id > 0", "title like 'x%'", "id in [1, 2]", "pages is null", "id", "(", "'", "id == 1e999", "not not id > 1", "∂"]
)
simple = st.none() | st.booleans() | numbers | names | references | filters
column = st.fixed_dictionaries({"field": names, "values": simple}, optional={"valid": simple, "x": simple})
field = st.dictionaries(
    st.sampled_from(["name", "type", "primary_key", "nullable", "default", "dimension", "max_length"]), simple, max_size=5
)
composed = (
    st.lists(simple, max_size=3)
    | st.lists(column, max_size=4)
    | st.dictionaries(st.sampled_from(["nprobe", "nlist", "M", "reorder", "x"]), simple, max_size=3)
    | st.fixed_dictionaries({"fields": st.lists(field, max_size=3)}, optional={"auto_id": simple})
    | st.lists(st.fixed_dictionaries({"action": st.sampled_from(["add", "remove"]), "alias": names, "table": names}), max_size=2)
)
anything = simple | composed
OPERATIONS = {str(operation.__struct_config__.tag): operation for operation in typing.get_args(AnyOperation)}
# Values that fit where they stand, so that requests get beyond the first checks: by the name of the field, else by its type.
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "table": st.sampled_from(["t"] * 9 + ["none"]),
    "columns": st.just(COLUMNS) | st.lists(column, max_size=4),
    "keys": st.just(KEYS) | column,
    "vectors": st.just(block(4)) | references,
    "filter": filters,
    "index": st.just("ix"),
    "field": st.just("v"),
    "type": st.sampled_from(["FLAT", "ivf_flat", "IVF_SQ", "HNSW", "x"]),
    "metric": st.sampled_from(["l2", "ip", "COSINE", "x"]),
    "output_fields": st.lists(names, max_size=3),
    "pattern": st.sampled_from(["*", "t", "t*", "*,t", "none"]),
    "schema": st.fixed_dictionaries({"fields": st.lists(field, max_size=3)}),
    "params": st.dictionaries(st.sampled_from(["nprobe", "nlist", "M", "ef_search", "reorder", "m", "x"]), simple, max_size=3),
}
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: names,
    int: st.integers(-2, 70) | st.integers(-(2**63), 2**63 - 1),
    float: st.floats(),
    bool: st.booleans(),
}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """The body of a request of any operation; most of its fields fit."""
    tag = draw(st.sampled_from(sorted(OPERATIONS)))
    body: dict[str, Any] = {"op": tag}
    for info in msgspec.structs.fields(OPERATIONS[tag]):
        if info.name != "database" and (info.required or draw(st.booleans())):
            fitting = BY_NAME[info.name] if info.name in BY_NAME else BY_TYPE.get(info.type, anything)
            body[info.name] = draw(fitting if draw(st.integers(0, 9)) else anything)
    return body


async def ask(peer: Peer, body: dict[str, Any], blocks: list[Any]) -> bool:
    """Send a request and check its answer; whether the connection is still there."""
    try:
        packed = msgpack.packb(body)
    except OverflowError:
        return True
    peer.send(Kind.REQUEST, 5, packed, blocks, deadline_ms=3_000)
    peer.send(Kind.PING, 6)
    frames: list[Frame] = []
    while not frames or not (frames[-1].kind is Kind.GOODBYE or len(frames) == 2):
        frames.append(await peer.receive())
    check_frames(frames)
    return frames[-1].kind is not Kind.GOODBYE


async def made_up(fuzzer: Fuzzer, bodies: list[tuple[dict[str, Any], list[Any]]]) -> None:
    await fuzzer.real.need_table()
    peer = await (await fuzzer.real.connect()).greet()
    try:
        for body, blocks in bodies:
            if not await ask(peer, body, blocks):
                break
    finally:
        await peer.close()
    await fuzzer.other.ping()


def requests_are_survived(fuzzer: Fuzzer, examples: int) -> None:
    @settings(fuzzed, max_examples=examples)
    @given(st.lists(st.tuples(requests(), st.sampled_from([CELLS] * 3) | st.lists(arrays, min_size=5, max_size=6)), min_size=1, max_size=3))
    def check(bodies: list[tuple[dict[str, Any], list[Any]]]) -> None:
        fuzzer.run(made_up(fuzzer, bodies))

    check()
    fuzzer.run(until_only(fuzzer.real, fuzzer.other))


def test_made_up_requests_never_meet_a_defect(fuzzer: Fuzzer) -> None:
    requests_are_survived(fuzzer, 300)


@pytest.mark.soak
def test_changed_bytes_for_long(fuzzer: Fuzzer) -> None:
    flips_are_survived(fuzzer, 100_000)


@pytest.mark.soak
def test_made_up_requests_for_long(fuzzer: Fuzzer) -> None:
    requests_are_survived(fuzzer, 50_000)


def test_rubbish_after_the_greeting_ends_only_its_own_connection(fuzzer: Fuzzer) -> None:
    @settings(fuzzed, max_examples=100)
    @given(st.binary(min_size=1, max_size=200), st.booleans())
    def check(rubbish: bytes, framed: bool) -> None:
        stream = struct.pack("<IBBHIIII", 20 + len(rubbish), Kind.REQUEST, 0, 0, 9, len(rubbish), 0, 0) + rubbish if framed else rubbish
        check_frames(fuzzer.run(session(fuzzer.real, GREETING + stream)))
        fuzzer.run(fuzzer.other.ping())

    check()
