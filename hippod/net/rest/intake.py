"""Receiving bodies: one at a time whole, and all together within one budget of memory."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from starlette.types import Receive

from hippod.errors import RetryLater
from hippod.net.rest.envelope import JSON
from hippod.net.rest.refusals import HttpRefusal

_NO_ENCODINGS: Final = (None, b"identity")


class BodyBudget:
    """How many bytes all bodies that are being received, decoded and worked on may take together."""

    def __init__(self, bytes_max: int) -> None:
        self.left = bytes_max


class Reservation:
    """What one request takes from the budget; a context manager that gives it back."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._taken = 0

    def take(self, count: int) -> None:
        """Raises RetryLater when the budget is spent."""
        if count > self._budget.left:
            raise RetryLater("too many large requests are being received: try again later")
        self._budget.left -= count
        self._taken += count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._budget.left += self._taken


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, bytes_max: int, reservation: Reservation) -> bytes:
    """The whole body. Raises HttpRefusal: 400 for one that was cut, 413 for one too large, 415 for one that is not plain JSON."""
    if int(headers.get(b"content-length", b"0")) > bytes_max:
        raise _too_large(bytes_max)
    message = await receive()
    body: bytes = message.get("body", b"")
    reservation.take(len(body))
    if body or message.get("more_body"):
        _check_media_type(headers)
    if not message.get("more_body"):
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpRefusal(400, "the body was not complete", closes=True)
        body = message.get("body", b"")
        size += len(body)
        if size > bytes_max:
            raise _too_large(bytes_max)
        reservation.take(len(body))
        parts.append(body)
    return b"".join(parts)


def _too_large(bytes_max: int) -> HttpRefusal:
    return HttpRefusal(413, f"a body has at most {bytes_max} bytes: send fewer rows a request", closes=True)


def _check_media_type(headers: Mapping[bytes, bytes]) -> None:
    if headers.get(b"content-encoding") not in _NO_ENCODINGS:
        raise HttpRefusal(415, "bodies come plain: this server takes no Content-Encoding", closes=True)
    kind, _, parameters = headers.get(b"content-type", b"").decode("latin-1").lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if kind.strip() != JSON or charset not in ("", "utf-8"):
        raise HttpRefusal(415, f"a body is {JSON} in UTF-8, with that Content-Type", closes=True)
