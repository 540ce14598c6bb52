"""A request in the making and the reading of its reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from hippod_client.columns import Cells
from hippod_client.errors import LimitExceeded, ProtocolError, server_error
from hippod_client.wire.arrays import WireArray
from hippod_client.wire.bodies import Blocks, decode_body, encode_body
from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import Kind, encode_frame, split_frame
from hippod_client.wire.layouts import Frame

T = TypeVar("T")
Reply = dict[str, Any]
# What the body says of a column: its field, and the blocks of its values and, where some are null, of its validity mask.
References = tuple[str, Any, Any]


class Request(Generic[T]):
    """One operation ready to be sent. `is_read`: it has no effect, so it may be sent again after a lost connection."""

    __slots__ = ("_arrays", "_body", "_parse", "is_read")

    def __init__(
        self, body: dict[str, Any] | bytes, parse: Callable[[Reply], T], arrays: Sequence[WireArray] = (), *, is_read: bool = False
    ) -> None:
        """`body`: as it is, or `packed`."""
        self._parse = parse
        self._arrays = arrays
        self.is_read = is_read
        self._body = body if isinstance(body, bytes) else packed(body)

    def frame(self, request_id: int, deadline_ms: int) -> list[bytes | memoryview]:
        """The buffers to send; LimitExceeded if the request is too large for a frame."""
        try:
            return encode_frame(Kind.REQUEST, request_id, self._body, self._arrays, deadline_ms)
        except WireError as error:
            raise LimitExceeded(str(error)) from error

    def read_reply(self, frame: Frame) -> T:
        """The result in a REPLY frame; raises the error in an ERROR frame, ProtocolError if it is neither."""
        try:
            header, body, arrays = split_frame(frame)
            reply = decode_body(body, arrays)
            if header.kind is Kind.REPLY:
                return self._parse(reply)
            if header.kind is not Kind.ERROR:
                raise WireError(f"a request is not answered with {header.kind.name}")
            error = server_error(reply["code"], reply["message"], reply.get("details") or {})
        except (WireError, KeyError, TypeError, AttributeError) as broken:
            raise ProtocolError(f"the reply does not fit the request: {broken!r}") from broken
        raise error


def done(_reply: Reply) -> None:
    """The reading of a reply that says no more than that it was done."""


def packed(body: dict[str, Any]) -> bytes:
    """The bytes of a body; LimitExceeded for a value that msgpack has no form for."""
    try:
        return encode_body(body)
    except WireError as error:
        raise LimitExceeded(str(error)) from error


def references(field: str, cells: Cells, blocks: Blocks) -> References:
    """Move the cells of a column to `blocks`."""
    values, valid = cells
    return field, blocks.refer(values), None if valid is None else blocks.refer(valid)


def column(field: str, values: Any, valid: Any) -> dict[str, Any]:
    """The map of a column."""
    return {"field": field, "values": values} if valid is None else {"field": field, "values": values, "valid": valid}
