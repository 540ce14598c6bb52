"""What HTTP itself refuses, before or beside any operation: wrong paths, methods, media types, sizes and speeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TYPES: Final = {
    400: "illegal_argument_exception",
    403: "security_exception",
    404: "resource_not_found_exception",
    405: "method_not_allowed_exception",
    408: "timeout_exception",
    413: "content_too_long_exception",
    414: "too_long_http_line_exception",
    415: "media_type_exception",
    429: "overloaded",
    431: "too_long_http_header_exception",
    503: "overloaded",
}


class HttpRefusal(Exception):
    """Answered with `status` and an error body. `closes`: the rest of what the client sends cannot be read as a request."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None, *, closes: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.type = _TYPES[status]
        self.reason = reason
        self.headers = dict(headers or {})
        if closes:
            self.headers["connection"] = "close"
