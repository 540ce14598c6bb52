"""A server that speaks as much of Hippo's REST API as a copy from it needs, with any answers that a test wants."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StandIn:
    """The table `far` with `rows`, in any order; `asked` are the bodies of all queries. `spoil` may change an answer before it leaves."""

    def __init__(self, fields: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
        self.fields = fields
        self.rows = rows
        self.asked: list[dict[str, Any]] = []
        self.user = "u:p"
        self.host = ""
        self.spoil: Callable[[str, Any], Any] = lambda _path, answer: answer

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/hippo/v1/far":
            return 200, {"far": {"schema": {"auto_id": False, "fields": self.fields}, "settings": {"number_of_shards": 1}}}
        matching = self.rows
        after = re.search(r"id > '(.*)'$", body.get("expr", "")) if body else None
        if after is not None:
            matching = [row for row in self.rows if row["id"] > after[1].replace("\\'", "'")]
        if path == "/hippo/v1/far/_count":
            return 200, {"total": len(self.rows)}
        if path == "/hippo/v1/far/_query":
            self.asked.append(body)
            page = matching[: body["limit"]]
            return 200, {"fields_data": [{"field_name": n, "field_values": [row[n] for row in page]} for n in body["output_fields"]]}
        return 404, {"error": {"type": "table_not_found", "reason": "table not exist"}, "status": 404}


@contextmanager
def serving(stand_in: StandIn) -> Iterator[StandIn]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b'""')
            path = self.path.partition("?")[0]
            if self.headers["authorization"] != "Basic " + base64.b64encode(stand_in.user.encode()).decode():
                status, answer = 401, {"error": {"reason": "wrong user or password"}}
            else:
                status, answer = stand_in.answer(path, sent)
            raw = json.dumps(stand_in.spoil(path, answer)).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_arguments: Any) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
