"""Records of the log: what one operation changed, as bytes that the log carries without looking into them.

    0  u32  body bytes, without padding        8   u32  table number
    4  u8   operation                          12  u32  0
    5  u8   0 (3 times)                        16  u64  request id
    24 body, padded with zeros to a multiple of 8

All little-endian. Records start at multiples of 8 bytes, so arrays in a body can be viewed where they lie.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_HEADER: Final = struct.Struct("<IB3xIIQ")

Buffer = bytes | memoryview


@dataclass(slots=True)
class Record:
    """A record to append, never changed. `body` is given as buffers, so that large arrays need not be copied."""

    operation: int
    table: int
    request_id: int
    body: Sequence[Buffer]
    body_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.body_bytes = sum([part.nbytes if isinstance(part, memoryview) else len(part) for part in self.body])

    @property
    def size_bytes(self) -> int:
        """Bytes that the record takes in a batch."""
        return _HEADER.size + (self.body_bytes + 7 & ~7)

    def encode(self) -> list[Buffer]:
        size = self.body_bytes
        head = _HEADER.pack(size, self.operation, self.table, 0, self.request_id)
        return [head, *self.body, bytes(-size % 8)] if size % 8 else [head, *self.body]


class ReplayedRecord(NamedTuple):
    """A record read back; `body` views the batch it came in."""

    lsn: int
    operation: int
    table: int
    request_id: int
    body: memoryview


def decode_records(payload: memoryview, count: int, first_lsn: int) -> Iterator[ReplayedRecord]:
    """The records of a batch's payload, whose checksum matched. Raises ValueError if they do not fill it exactly."""
    at = 0
    for lsn in range(first_lsn, first_lsn + count):
        if at + _HEADER.size > len(payload):
            raise ValueError(f"record {lsn} starts behind the end of its batch")
        size, operation, table, _, request_id = _HEADER.unpack_from(payload, at)
        start = at + _HEADER.size
        at = start + (size + 7 & ~7)
        if at > len(payload):
            raise ValueError(f"record {lsn} ends behind the end of its batch")
        yield ReplayedRecord(lsn, operation, table, request_id, payload[start : start + size])
    if at != len(payload):
        raise ValueError(f"{len(payload) - at} bytes follow the last record of a batch")
