"""What a request may not be, on a real engine: the answer names the fault and the limit, and nothing of the request is applied."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from hippod.engine.operations import CreateIndex
from hippod_client.wire.arrays import DTYPE_NUMBERS, WireArray, WireStrings
from hippod_client.wire.frames import BODY_BYTES_MAX, Kind
from tests.protocol.peer import HELLO, Peer, block, connected
from tests.protocol.real_engine import Served, served
from tests.unit.engine.harness import run

ONE = np.ones((1, 4), np.float32)
DENORMAL = np.array([[1e-40, 1, 1, 1]], np.float32)


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data") as made:
        yield made


@pytest.fixture
async def peer(real: Served) -> AsyncIterator[Peer]:
    async with connected(*real.address) as made:
        yield made


def packed(**body: Any) -> bytes:
    data: bytes = msgpack.packb(body)
    return data


def nested(depth: int) -> Any:
    return [] if depth <= 1 else [nested(depth - 1)]


COUNT = packed(op="count", table="t")
BROKEN = {
    "cut off": (COUNT[:-1], "ends"),
    "bytes behind it": (COUNT + b"\x00", "after its map"),
    "no map": (msgpack.packb([1]), "map"),
    "an unknown extension": (packed(op="count", table=msgpack.ExtType(9, b"x")), "no value that a body may have"),
    "binary": (packed(op="count", table=b"x"), "no value that a body may have"),
    "a key twice": (b"\x83" + COUNT[1:] + COUNT[1:10], "twice"),
    "a key that is no string": (msgpack.packb({"op": "count", 1: 2}), "string"),
    "bad UTF-8": (COUNT[:-1] + b"\xff", "utf-8"),
    "too deep": (packed(op="count", table=nested(17)), "16"),
    "an array too long": (packed(op="count", table=[0] * 100_001), "100"),
    "a map too large": (packed(op="count", table={str(n): 0 for n in range(1_025)}), "1"),
    "a block that is not there": (packed(op="get", table="t", keys={"field": "", "values": block(0)}), "block"),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_bytes_that_break_the_protocol_end_the_connection(real: Served, peer: Peer, fault: str) -> None:
    body, word = BROKEN[fault]
    async with connected(*real.address) as other:
        peer.send(Kind.REQUEST, 5, body)
        error, goodbye = await peer.receive_to_the_end()
        assert (error.kind, error.request_id, error.code) == (Kind.ERROR, 5, "BAD_REQUEST")
        assert goodbye.kind is Kind.GOODBYE
        assert word in goodbye.message.lower()
        await other.ping()


async def test_a_body_over_the_limit_is_refused_with_its_header(peer: Peer) -> None:
    size = BODY_BYTES_MAX + 8
    peer.send_bytes(struct.pack("<IBBHIIII", 20 + size, Kind.REQUEST, 0, 0, 1, size, 0, 0))
    (goodbye,) = await peer.receive_to_the_end()
    assert (goodbye.kind, goodbye.code, str(BODY_BYTES_MAX) in goodbye.message) == (Kind.GOODBYE, "BAD_REQUEST", True)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"op": "no_such"}, "no_such"),
        ({}, "op"),
        ({"op": 1}, "op"),
        ({"op": "count"}, "table"),
        ({"op": "count", "table": 1}, "table"),
        ({"op": "count", "table": None}, "table"),
        ({"op": "count", "table": "t", "tabel": "t"}, "tabel"),
        ({"op": "query", "table": "t", "limit": 1.5}, "limit"),
        ({"op": "query", "table": "t", "output_fields": ["id", 1]}, "output_fields"),
        ({"op": "insert", "table": "t", "columns": [{"field": "id"}]}, "columns"),
    ],
)
async def test_a_body_that_is_no_operation_is_refused_and_the_connection_goes_on(peer: Peer, body: dict[str, Any], word: str) -> None:
    peer.send(Kind.REQUEST, 5, body)
    error = await peer.receive()
    assert (error.kind, error.request_id, error.code) == (Kind.ERROR, 5, "BAD_REQUEST")
    assert word in error.message
    await peer.ping()


@pytest.mark.parametrize(
    ("hello", "word"),
    [
        ({"versions": [], "client": "x"}, "version 1"),
        ({"versions": [2, 99], "client": "x"}, "version 1"),
        ({"versions": "1", "client": "x"}, "versions"),
        ({"client": "x"}, "versions"),
        ({"versions": [1], "client": "x", "more": 1}, "more"),
    ],
)
async def test_a_greeting_without_a_common_version_is_refused(real: Served, hello: dict[str, Any], word: str) -> None:
    peer = await real.connect()
    peer.send(Kind.HELLO, 0, hello)
    (goodbye,) = await peer.receive_to_the_end()
    assert (goodbye.kind, goodbye.code) == (Kind.GOODBYE, "BAD_REQUEST")
    assert word in goodbye.message
    await peer.close()


@pytest.mark.parametrize("kind", [Kind.REQUEST, Kind.PING, Kind.CANCEL, Kind.WELCOME, Kind.REPLY])
async def test_nothing_is_done_before_the_login(real: Served, kind: Kind) -> None:
    peer = await real.connect()
    peer.send_bytes(HELLO)
    await peer.receive()
    peer.send(kind, 1, packed(op="drop_table", table="t") if kind is Kind.REQUEST else b"")
    frames = await peer.receive_to_the_end()
    assert frames[-1].kind is Kind.GOODBYE
    assert {frame.code for frame in frames} == {"BAD_REQUEST"}
    assert real.engine.table("default", "t")
    await peer.close()


def columns(keys: WireArray, vectors: WireArray) -> tuple[list[dict[str, Any]], list[WireArray]]:
    sent = [{"field": "id", "values": block(0)}, {"field": "title", "values": block(1)}, {"field": "v", "values": block(2)}]
    return sent, [keys, WireStrings.of(["x"] * len(keys)), vectors]


@pytest.mark.parametrize(
    ("vectors", "code", "word"),
    [
        (np.ones((2, 3), np.float32), "INVALID_VECTOR", "dimension 4"),
        (np.ones((2, 5), np.float32), "INVALID_VECTOR", "dimension 4"),
        (np.array([[1, 1, 1, 1], [1, np.nan, 1, 1]], np.float32), "INVALID_VECTOR", "vector 1"),
        (np.array([[1, 1, 1, 1], [1, 1, -np.inf, 1]], np.float32), "INVALID_VECTOR", "vector 1"),
        (np.concatenate([ONE, DENORMAL]), "INVALID_VECTOR", "vector 1"),
        (np.ones((2, 4)), "TYPE_MISMATCH", "float32"),
        (np.ones(2, np.float32), "TYPE_MISMATCH", "float32"),
        (WireStrings.of(["1", "2"]), "TYPE_MISMATCH", "float32"),
    ],
)
async def test_a_vector_that_is_none_is_refused_with_its_position(peer: Peer, vectors: WireArray, code: str, word: str) -> None:
    sent, blocks = columns(np.arange(2), vectors)
    for op in ("insert", "upsert"):
        error = await peer.ask(op, blocks, table="t", columns=sent)
        assert (error.kind, error.code) == (Kind.ERROR, code)
        assert word in error.message
        assert error.body["details"]["field"] == "v"
        if "vector 1" in word:
            assert error.body["details"]["position"] == 1
    error = await peer.ask("search", [vectors], table="t", vectors=block(0))
    assert error.code in (code, "BAD_REQUEST")
    assert (await peer.ask("count", table="t")).body == {"count": 0}


async def test_a_zero_vector_is_refused_where_an_index_needs_directions(real: Served, peer: Peer) -> None:
    sent, blocks = columns(np.arange(2), np.concatenate([ONE, ONE * 0]))
    assert (await peer.ask("insert", blocks, table="t", columns=sent)).kind is Kind.REPLY
    assert (await peer.ask("create_index", table="t", index="cx", field="v", metric="cosine")).code == "INVALID_VECTOR"
    assert (await peer.ask("delete_by_query", table="t", filter="id == 1")).kind is Kind.REPLY
    await run(real.engine, CreateIndex("t", "cx", "v", metric="cosine"))
    error = await peer.ask("upsert", blocks, table="t", columns=sent)
    assert (error.code, error.body["details"]["position"]) == ("INVALID_VECTOR", 1)


@pytest.mark.parametrize("size", [0, 12, 20, 1 << 30])
async def test_a_block_whose_bytes_do_not_fit_its_shape_ends_the_connection(peer: Peer, size: int) -> None:
    body = packed(op="search", table="t", vectors=block(0))
    padded = body + bytes(-len(body) % 8)
    entry = struct.pack("<BBHIII", DTYPE_NUMBERS[np.dtype(np.float32)], 2, 0, 1, 4, size)
    length = 20 + len(padded) + len(entry) + 16
    peer.send_bytes(struct.pack("<IBBHIIII", length, Kind.REQUEST, 0, 1, 1, len(body), 0, 0) + padded + entry + bytes(16))
    frames = await peer.receive_to_the_end()
    assert frames[-1].kind is Kind.GOODBYE
    assert {frame.code for frame in frames} == {"BAD_REQUEST"}


def clauses(count: int) -> str:
    return " and ".join(["id > 0"] * count)


@pytest.mark.parametrize(
    ("op", "fields", "code", "limit"),
    [
        ("search", {"k": 0}, "LIMIT_EXCEEDED", "10000"),
        ("search", {"k": -5}, "LIMIT_EXCEEDED", "10000"),
        ("search", {"k": 10_001}, "LIMIT_EXCEEDED", "10000"),
        ("search", {"filter": clauses(257)}, "FILTER_ERROR", "256"),
        ("count", {"filter": clauses(257)}, "FILTER_ERROR", "256"),
        ("count", {"filter": "(" * 17 + "id > 0" + ")" * 17}, "FILTER_ERROR", "16"),
        ("count", {"filter": "not " * 17 + "id > 0"}, "FILTER_ERROR", "16"),
        ("count", {"filter": "id > 0 " + " " * 65_536}, "LIMIT_EXCEEDED", "65536"),
        ("query", {"limit": -1}, "LIMIT_EXCEEDED", "100000"),
        ("query", {"limit": 100_001}, "LIMIT_EXCEEDED", "100000"),
        ("query", {"offset": -1}, "LIMIT_EXCEEDED", "offset"),
    ],
)
async def test_numbers_and_filters_over_their_limits_are_refused_with_the_limit(
    peer: Peer, op: str, fields: dict[str, Any], code: str, limit: str
) -> None:
    vectors = {"vectors": block(0)} if op == "search" else {}
    error = await peer.ask(op, [ONE] if vectors else [], table="t", **vectors, **fields)
    assert (error.kind, error.code) == (Kind.ERROR, code), error.body
    assert limit in error.message


async def test_a_filter_at_its_limit_is_taken(peer: Peer) -> None:
    assert (await peer.ask("count", table="t", filter=clauses(256))).body == {"count": 0}
    assert (await peer.ask("count", table="t", filter="(" * 15 + "id > 0" + ")" * 15)).body == {"count": 0}


@pytest.mark.parametrize(
    ("key_bytes", "value_bytes", "code", "limit"), [(401, 1, "LIMIT_EXCEEDED", "400"), (1, (8 << 20) + 1, "LIMIT_EXCEEDED", str(8 << 20))]
)
async def test_keys_and_values_over_their_limits_are_refused_with_the_limit(
    peer: Peer, key_bytes: int, value_bytes: int, code: str, limit: str
) -> None:
    fields = [{"name": "k", "type": "string", "primary_key": True}, {"name": "s", "type": "string"}]
    assert (await peer.ask("create_table", table="texts", schema={"fields": fields})).kind is Kind.REPLY
    sent = [{"field": "k", "values": block(0)}, {"field": "s", "values": block(1)}]

    async def insert(key: int, value: int) -> Any:
        return await peer.ask("insert", [WireStrings.of(["x", "k" * key]), WireStrings.of(["y", "v" * value])], table="texts", columns=sent)

    error = await insert(key_bytes, value_bytes)
    assert (error.code, error.body["details"]["position"]) == (code, 1)
    assert limit in error.message
    assert (await peer.ask("count", table="texts")).body == {"count": 0}
    assert (await insert(min(key_bytes, 400), min(value_bytes, 8 << 20))).body["count"] == 2


NAMES: Sequence[str] = [
    "",
    ".",
    "..",
    "a..b",
    ".a",
    "-a",
    "a/b",
    "a\\b",
    "a b",
    "a\0b",
    "a\nb",
    "é",
    "e\u0301",
    "x" * 129,
    "a\u202eb",
    "..%2f",
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_is_not_allowed_is_refused_quoted_and_shortened(peer: Peer, name: str) -> None:
    fields = [{"name": "k", "type": "string", "primary_key": True}]
    for op, given in (
        ("create_table", {"table": name, "schema": {"fields": fields}}),
        ("create_database", {"database": name}),
        ("create_index", {"table": "t", "index": name, "field": "v"}),
        ("rename_table", {"table": "t", "new_name": name}),
        ("create_table", {"table": "u", "schema": {"fields": [{**fields[0], "name": name}]}}),
    ):
        error = await peer.ask(op, **given)
        assert (error.kind, error.code) == (Kind.ERROR, "INVALID_NAME"), (op, error.body)
        assert repr(name[:40])[:-1] in error.message
        assert len(error.message) < 300
    assert (await peer.ask("list_tables")).body == {"tables": ["t"]}


@pytest.mark.parametrize(
    ("params", "code", "word"),
    [
        ({"x": block(0)}, "REJECTED", "numbers, strings"),
        ({"x": [{"y": block(0)}]}, "REJECTED", "numbers, strings"),
        ({"x": "y" * 20_000}, "LIMIT_EXCEEDED", "16384"),
        ({str(number): number for number in range(1_000)} | {"x": "y" * 10_000}, "LIMIT_EXCEEDED", "16384"),
    ],
)
async def test_index_parameters_that_nobody_can_keep_are_refused(peer: Peer, params: dict[str, Any], code: str, word: str) -> None:
    error = await peer.ask("create_index", [ONE], table="t", index="iy", field="v", params=params)
    assert (error.code, word in error.message) == (code, True)
    assert (await peer.ask("create_index", table="t", index="iy", field="v", params={"unknown": [1, {"a": None}]})).kind is Kind.REPLY
