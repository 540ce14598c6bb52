"""What REST tests share: calls with plain sockets underneath, so that nothing between the test and the server is clever."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any

from hippod.testing import ServerProcess

SHIVA = "Basic " + base64.b64encode(b"shiva:shiva").decode()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def reason(self) -> str:
        """The reason of an error body, after a check of its shape."""
        body = self.json
        assert body["status"] == self.status
        assert body["error"]["root_cause"] == [{"type": body["error"]["type"], "reason": body["error"]["reason"]}]
        return str(body["error"]["reason"])


class Rest:
    """Calls to the REST API of a server; `database` goes along with every path that has no query string of its own."""

    def __init__(self, server: ServerProcess, database: str = "default") -> None:
        self.server = server
        self.database = database

    def __call__(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """`body`: bytes and text go as they are, everything else as JSON."""
        raw = body if isinstance(body, bytes | str | None) else json.dumps(body)
        sent = {"authorization": SHIVA, "content-type": "application/json", **(headers or {})}
        connection = http.client.HTTPConnection(self.server.host, self.server.rest_port, timeout=60)
        try:
            connection.request(method, "/hippo/v1" + path, raw, {k: v for k, v in sent.items() if v})
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read().decode())
        finally:
            connection.close()

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a call that must succeed."""
        reply = self(method, path, body)
        assert reply.status == 200, reply.text
        return reply.json

    def table(self, path: str) -> str:
        """A path on a table of this database."""
        return f"{path}?database_name={self.database}"

    def raw(self, sent: bytes, *, until_closed: bool = True) -> bytes:
        """Send bytes as they are; what comes back until the server closes."""
        with socket.create_connection((self.server.host, self.server.rest_port), timeout=30) as connection:
            connection.sendall(sent)
            received = b""
            while True:
                part = connection.recv(65_536)
                received += part
                if not part or not until_closed:
                    return received
