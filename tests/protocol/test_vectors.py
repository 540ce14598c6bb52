"""The test vectors of docs/protocol.md (tests/data/frames.json) hold both codecs, the client's requests, and a real server to the byte."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec
import numpy as np
import pytest

from hippod.engine.arrays import BytesArray, Column, ListArray, SparseArray, StringArray
from hippod.engine.operations import Done, GetResult, Operation, QueryResult, Result, RowFailure, SearchResult, WriteResult
from hippod.errors import LimitExceeded, RetryLater
from hippod.net.native.codec import Codec
from hippod.net.native.intake import Intake
from hippod.testing import ServerProcess
from hippod_client import DataType, Field, errors, requests, session
from hippod_client.sync import Client
from hippod_client.wire.arrays import WireStrings
from hippod_client.wire.bodies import decode_body, encode_body
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import HEADER_BYTES, LENGTH_BYTES, Kind, encode_frame, read_frame, split_frame
from hippod_client.wire.scan import check_structure
from tests.unit.client.wire.examples import golden_array, golden_frames, refused_frames, same

FRAMES = {frame["name"]: frame for frame in golden_frames()}
named = pytest.mark.parametrize("frame", golden_frames(), ids=list(FRAMES))


def raw(name: str) -> bytes:
    return bytes.fromhex(FRAMES[name]["hex"])


def with_references(described: Any) -> Any:
    """The body of a description with its extension values, as msgpack has them."""
    match described:
        case {"$array": index}:
            return msgpack.ExtType(1, index.to_bytes(2, "little"))
        case {"$list": [offsets, values]}:
            return msgpack.ExtType(2, offsets.to_bytes(2, "little") + values.to_bytes(2, "little"))
        case {"$sparse": blocks}:
            return msgpack.ExtType(3, b"".join(block.to_bytes(2, "little") for block in (*blocks, 0)))
        case dict():
            return {key: with_references(value) for key, value in described.items()}
        case list():
            return [with_references(value) for value in described]
    return described


@named
def test_a_frame_is_made_from_its_description(frame: dict[str, Any]) -> None:
    body = b"" if frame["body"] is None else encode_body(with_references(frame["body"]))
    arrays = [golden_array(block) for block in frame["blocks"]]
    made = b"".join(encode_frame(Kind[frame["kind"]], frame["request_id"], body, arrays, frame["deadline_ms"]))
    assert made.hex() == frame["hex"]


@named
def test_a_description_is_read_from_its_frame(frame: dict[str, Any]) -> None:
    header, body, arrays = split_frame(memoryview(bytes.fromhex(frame["hex"])))
    assert (header.kind.name, header.request_id, header.deadline_ms) == (frame["kind"], frame["request_id"], frame["deadline_ms"])
    assert (msgpack.unpackb(body) if body else None) == with_references(frame["body"])
    assert all(map(same, arrays, map(golden_array, frame["blocks"])))
    assert len(arrays) == len(frame["blocks"])


def serve(data: bytes) -> None:
    """Take a frame as the server does."""
    intake = Intake()
    intake.login_done()
    for whole in intake.feed(data):
        Codec().decode_request(whole, read_frame(whole)[1])


def read(data: bytes) -> None:
    """Read a frame as a client that checks everything."""
    _, body, arrays = split_frame(memoryview(data))
    check_structure(body)
    decode_body(body, arrays)


@pytest.mark.parametrize("frame", refused_frames(), ids=[frame["name"] for frame in refused_frames()])
def test_a_frame_that_breaks_the_protocol_is_refused(frame: dict[str, Any]) -> None:
    data = bytes.fromhex(frame["hex"])
    with pytest.raises(WireError):
        serve(data)
    with pytest.raises(WireError):
        read(data)


@pytest.mark.parametrize("name", [frame["name"] for frame in golden_frames() if frame["kind"] == "REQUEST"])
def test_the_server_reads_a_request_as_described(name: str) -> None:
    codec, (_, layout) = Codec(), read_frame(raw(name))
    described = dict(FRAMES[name]["body"])
    op = described.pop("op")
    for _ in "first", "again":
        operation = codec.decode_request(raw(name), layout)
        assert type(operation).__struct_config__.tag == op
        assert_is(operation, described, FRAMES[name]["blocks"])


def assert_is(value: Any, described: Any, blocks: list[dict[str, Any]]) -> None:
    """A decoded value against its description: maps are structs or dicts, references are arrays."""
    match described:
        case {"$array": index}:
            wire = golden_array(blocks[index])
            if isinstance(wire, WireStrings):
                assert isinstance(value, StringArray)
                assert value.to_list() == wire.to_list()
            else:
                assert same(value, wire)
        case {"$list": [offsets, values]}:
            assert isinstance(value, ListArray)
            assert value.offsets.tolist() == blocks[offsets]["values"]
            assert (value.values.to_list() if isinstance(value.values, BytesArray) else value.values.tolist()) == blocks[values]["values"]
        case {"$sparse": [offsets, indices, values]}:
            assert isinstance(value, SparseArray)
            parts = (value.offsets, value.indices, value.values)
            assert [part.tolist() for part in parts] == [blocks[number]["values"] for number in (offsets, indices, values)]
        case dict():
            for key, inner in described.items():
                assert_is(value[key] if isinstance(value, dict) else getattr(value, key), inner, blocks)
        case list():
            assert len(value) == len(described)
            for part, inner in zip(value, described, strict=True):
                assert_is(part, inner, blocks)
        case _:
            assert value == described


def ints(*numbers: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(numbers, np.int64)


RESULTS: dict[str, Result] = {
    "done": Done(),
    "inserted": WriteResult(2),
    "not_inserted": WriteResult(0, [RowFailure(0, "ALREADY_EXISTS", "Primary key exists already: 2")]),
    "got": GetResult([Column("title", StringArray.of([""]), np.array([False]))], np.array([0], np.int32)),
    "queried": QueryResult([Column("id", ints(1)), Column("tags", ListArray(ints(0, 2), StringArray.of(["a", "bc"])))], 1),
    "found": SearchResult(
        np.array([2, 2], np.int32), np.array([0, 9.0625, 1.0625, 4.25], np.float32), [Column("id", ints(1, 2, 2, 1))], "id"
    ),
    "generated_keys": WriteResult(2, [], Column("id", ints(1_800_000_000_000_000, 1_800_000_000_000_001))),
    "no_rows": QueryResult([Column("title", StringArray.of([]))], 0),
    "every_dtype": QueryResult(
        [
            Column("a", np.array([-128], np.int8)),
            Column("b", np.array([-32_768], np.int16)),
            Column("c", np.array([-(2**31)], np.int32)),
            Column("d", ints(-(2**63))),
            Column("e", np.array([1.5], np.float32)),
            Column("f", np.array([0.1], np.float64)),
            Column("g", np.array([True])),
        ],
        1,
    ),
    "bytes_and_sparse": QueryResult(
        [
            Column("a", BytesArray(ints(0, 2, 2), np.array([255, 0], np.uint8))),
            Column("b", np.array([[128, 1], [0, 255]], np.uint8)),
            Column("c", SparseArray(ints(0, 0, 2), np.array([7, 2**32 - 2], np.uint32), np.array([0.5, -1], np.float32))),
        ],
        2,
    ),
}


@pytest.mark.parametrize("name", [frame["name"] for frame in golden_frames() if frame["kind"] == "REPLY"])
def test_the_server_sends_a_result_as_described(name: str) -> None:
    assert b"".join(Codec().encode_reply(FRAMES[name]["request_id"], RESULTS[name])).hex() == FRAMES[name]["hex"]


def test_the_server_sends_errors_and_goodbyes_as_described() -> None:
    error = LimitExceeded("k is from 1 to 10000, not 0", limit=10_000)
    assert b"".join(Codec().encode_error(8, error)) == raw("refused")
    assert b"".join(Codec().encode_goodbye(RetryLater("the server is stopping"))) == raw("goodbye")


def test_the_server_reads_hello_and_login_as_described() -> None:
    hello = Codec().decode_hello(split_frame(memoryview(raw("hello")))[1])
    login = Codec().decode_login(split_frame(memoryview(raw("login")))[1])
    assert (hello.versions, hello.client, login.user, login.password) == ([1], "example/1", "shiva", "shiva")


FIELDS = (
    Field("id", DataType.INT64, primary_key=True),
    Field("title", DataType.VARCHAR, nullable=True, max_length=20),
    Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR),
    Field("v", DataType.FLOAT_VECTOR, dimension=2),
)
ROWS = {"id": [1, 2], "title": ["Œuvres", None], "tags": [["a", "bc"], []], "v": np.array([[0.5, -1], [0.25, 2]])}
SENT: dict[str, Callable[[], requests.Request[Any]]] = {
    "create_table": lambda: requests.create_table("default", "books", FIELDS, auto_id=False, tablets=1),
    "insert": lambda: requests.insert("default", "books", ROWS),
    "insert_again": lambda: requests.insert("default", "books", {"id": [2], "tags": [["d"]], "v": np.zeros((1, 2))}),
    "get": lambda: requests.get("default", "books", [2, 9], ["title"]),
    "query": lambda: requests.query("default", "books", "id > 0 and title like 'Œ%'", ["id", "tags"], limit=1_000, offset=0),
    "search": lambda: requests.search("default", "books", [[0.5, -1], [0, 1]], 2, None, "", None, None, None),
    "search_sparse": lambda: requests.search("default", "books", [{7: 0.5, 2**32 - 2: -1.0}, {}], 2, None, "", None, None, None),
    "search_for_none": lambda: requests.search("default", "books", [0.5, -1], 0, None, "", None, None, None),
}


@pytest.mark.parametrize("name", [frame["name"] for frame in golden_frames() if frame["kind"] == "REQUEST"])
def test_the_client_sends_a_request_as_described(name: str) -> None:
    frame = FRAMES[name]
    assert b"".join(SENT[name]().frame(frame["request_id"], frame["deadline_ms"])).hex() == frame["hex"]


def test_the_client_reads_replies_as_described() -> None:
    def answer(request: str, reply: str) -> Any:
        return SENT[request]().read_reply(memoryview(raw(reply)))

    assert answer("insert", "inserted").count == 2
    assert answer("insert_again", "not_inserted").failures[0].code == "ALREADY_EXISTS"
    assert answer("insert", "generated_keys").keys.tolist() == [1_800_000_000_000_000, 1_800_000_000_000_001]
    assert answer("get", "got").to_dicts() == [{"title": None}]
    assert answer("query", "queried").to_dicts() == [{"id": 1, "tags": ["a", "bc"]}]
    assert answer("query", "no_rows").to_dicts() == []
    assert answer("query", "bytes_and_sparse").to_dicts() == [
        {"a": b"\xff\0", "b": [128, 1], "c": {}},
        {"a": b"", "b": [0, 255], "c": {7: 0.5, 2**32 - 2: -1.0}},
    ]
    found = answer("search", "found")
    assert [[(hit.id, hit.score) for hit in hits] for hits in found] == [[(1, 0.0), (2, 9.0625)], [(2, 1.0625), (1, 4.25)]]
    with pytest.raises(errors.LimitExceeded) as raised:
        answer("search_for_none", "refused")
    assert raised.value.details == {"limit": 10_000}


def test_the_client_opens_and_ends_a_session_as_described() -> None:
    server = session.read_welcome(memoryview(raw("welcome")))
    assert (server.name, server.id, server.window) == ("hippod/0.1.0", "00112233445566778899aabbccddeeff", 64)
    assert session.login("shiva", "shiva") == raw("login")
    session.read_logged_in(memoryview(raw("logged_in")))
    assert (b"".join(session.PING.frame(1, 0)), session.cancel(7)) == (raw("ping"), raw("cancel"))
    assert isinstance(session.read_farewell(memoryview(raw("goodbye"))), errors.RetryLater)


def receive(connection: socket.socket) -> bytes:
    """One whole frame."""
    with connection.makefile("rb", buffering=0) as stream:
        head = stream.read(LENGTH_BYTES)
        assert head is not None
        rest = b""
        while len(rest) < int.from_bytes(head, "little"):
            more = stream.read(int.from_bytes(head, "little") - len(rest))
            assert more, "the server closed the connection"
            rest += more
    return head + rest


def test_a_real_server_answers_to_the_byte(tmp_path: Any) -> None:
    answered = {frame["answers"]: frame["name"] for frame in golden_frames() if "answers" in frame}
    with ServerProcess(tmp_path / "data") as server, socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.sendall(raw("hello"))
        welcome = receive(connection)
        assert welcome[4:HEADER_BYTES][0] == Kind.WELCOME
        for request, reply in answered.items():
            if request == "search":
                with Client(server.host, server.port) as client:
                    client.create_index("books", "by_v", "v", type="FLAT", metric="l2")
                    client.activate_index("books", "by_v")
            connection.sendall(raw(request))
            assert receive(connection).hex() == FRAMES[reply]["hex"], f"{request} was not answered by {reply}"


def test_every_request_and_reply_is_one_of_the_engines() -> None:
    """The descriptions use operations that exist, under their own names."""
    tags = {operation.__struct_config__.tag for operation in Operation.__subclasses__()}
    assert {frame["body"]["op"] for frame in golden_frames() if frame["kind"] == "REQUEST"} <= tags
    assert issubclass(Result, msgspec.Struct)
