"""Clients that come too slowly, never say anything, or are there when the server stops."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hippod.testing import ServerProcess
from tests.rest.harness import SHIVA, Rest

HEAD = f"PUT /hippo/v1/_database HTTP/1.1\r\nHost: localhost\r\nAuthorization: {SHIVA}\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """A server that waits half a second for a head, and two connections at most."""
    settings = {"HIPPOD_NET_HTTP_HEAD_TIMEOUT_S": "0.5", "HIPPOD_NET_IDLE_TIMEOUT_S": "1", "HIPPOD_NET_CONNECTIONS_MAX": "2"}
    with ServerProcess(tmp_path_factory.mktemp("hurried") / "data", environment=settings) as server:
        yield Rest(server)


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_head_that_does_not_come_is_not_waited_for(hurried: Rest, sent: bytes) -> None:
    received = hurried.raw(sent)
    assert received.startswith(b"HTTP/1.1 408")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["type"] == "timeout_exception"


def test_a_body_that_does_not_come_is_not_waited_for(hurried: Rest) -> None:
    assert hurried.raw(f"{HEAD}Content-Length: 100\r\n\r\n{{".encode()).startswith(b"HTTP/1.1 408")


def test_an_idle_connection_is_closed_without_a_word(hurried: Rest) -> None:
    received = hurried.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert received.count(b"HTTP/1.1") == 1
    assert received.startswith(b"HTTP/1.1 200")


def test_a_connection_too_many_is_told_to_come_later(hurried: Rest) -> None:
    address = (hurried.server.host, hurried.server.rest_port)
    with socket.create_connection(address), socket.create_connection(address):
        received = hurried.raw(b"")
    assert received.startswith(b"HTTP/1.1 429")
    assert b"retry-after: 1\r\n" in received


def test_a_request_under_way_is_answered_before_the_server_stops(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        rest = Rest(server)
        with socket.create_connection((server.host, server.rest_port), timeout=30) as connection:
            body = b'{"database_name":"late"}'
            connection.sendall(f"{HEAD}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            # The server has read the head: it asks for the body.
            assert connection.recv(1_024).startswith(b"HTTP/1.1 100")
            stopping = threading.Thread(target=server.terminate)
            stopping.start()
            connection.sendall(body)
            received = connection.recv(65_536)
            stopping.join()
        assert received.startswith(b"HTTP/1.1 200")
        server.start()
        assert "late" in rest.ok("GET", "/_database")["databases"]
