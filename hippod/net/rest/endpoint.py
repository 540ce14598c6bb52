"""One route at work: who asks, what is asked, the handler, the answer. Every error of every step becomes its JSON body here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from hippod.engine.engine import Engine
from hippod.net.options import NetOptions
from hippod.net.rest.auth import BasicAuth
from hippod.net.rest.body import BodyDecoder, parse_query
from hippod.net.rest.envelope import TEXT, Answer, Reply, Text, encode_json, error_reply
from hippod.net.rest.intake import BodyBudget, Reservation, read_body
from hippod.net.rest.routes import Call, Route

# Larger bodies are decoded, and larger answers encoded, in the engine's threads.
_BYTES_ON_LOOP_MAX: Final = 64 << 10
_CELLS_ON_LOOP_MAX: Final = 4_096
# An unread body up to this size is thrown away as it comes; before a larger one the connection is closed.
_UNREAD_BYTES_MAX: Final = 64 << 10


class Surroundings:
    """What all endpoints share."""

    def __init__(self, engine: Engine, auth: BasicAuth, options: NetOptions) -> None:
        self.engine = engine
        self.auth = auth
        self.options = options
        self.budget = BodyBudget(options.http_bodies_bytes_max)


class Endpoint:
    """The ASGI application of one route."""

    def __init__(self, route: Route, around: Surroundings) -> None:
        self._route = route
        self._around = around
        self._decoder = BodyDecoder(route.body, around.options.http_json_elements_max)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        with Reservation(self._around.budget) as reservation:
            try:
                reply = await self._reply(scope, headers, receive, reservation)
            except Exception as error:
                reply = error_reply(error, pretty=b"pretty" in scope["query_string"])
                _close_before_large_body(reply, headers)
        await send_reply(send, reply)

    async def _reply(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, reservation: Reservation) -> Reply:
        around = self._around
        client = scope["client"]
        principal = await around.auth.principal(headers.get(b"authorization"), client[0] if client else "")
        query = parse_query(scope["query_string"], self._route.query)
        raw = await read_body(headers, receive, around.options.http_body_bytes_max, reservation)
        deadline = asyncio.get_running_loop().time() + around.options.request_timeout_s
        pool = around.engine.pool
        body = self._decoder.decode(raw) if len(raw) <= _BYTES_ON_LOOP_MAX else await pool.run(self._decoder.decode, raw)
        host, port = scope["server"]
        call = Call(around.engine, principal, scope["path_params"], query, body, deadline, f"{host}:{port}")
        answer: Any = await self._route.handler(call)
        if isinstance(answer, Text):
            return Reply(200, answer.text.encode(), TEXT)
        if isinstance(answer, Answer) and answer.cells > _CELLS_ON_LOOP_MAX:
            return Reply(200, await pool.run(encode_json, answer, pretty=query.pretty))
        return Reply(200, encode_json(answer, pretty=query.pretty))


def _close_before_large_body(reply: Reply, headers: Mapping[bytes, bytes]) -> None:
    """Whoever is refused before the body is read must not go on sending it for nothing."""
    if b"transfer-encoding" in headers or int(headers.get(b"content-length", b"0")) > _UNREAD_BYTES_MAX:
        reply.headers["connection"] = "close"


async def send_reply(send: Send, reply: Reply) -> None:
    headers = [
        (b"content-type", reply.media_type.encode()),
        (b"content-length", b"%d" % len(reply.body)),
        *((name.encode(), value.encode("latin-1", "replace")) for name, value in reply.headers.items()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
