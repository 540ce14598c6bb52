"""Frames: 24 bytes of header, a msgpack body, and array blocks beside it. All numbers little-endian.

      0  u32  length        bytes that follow this field
      4  u8   kind          see `Kind`
      5  u8   flags         0
      6  u16  blocks        number of blocks
      8  u32  request id
     12  u32  body length   bytes of msgpack
     16  u32  deadline      REQUEST: milliseconds allowed, 0 = the server's default; other kinds: 0
     20  u32  reserved      0
     24  body, padded with zeros to a multiple of 8
         block table, 16 bytes each: u8 dtype, u8 ndim, u16 0, u32 rows, u32 columns (0 if ndim is 1), u32 bytes
         data of each block, padded with zeros to a multiple of 8

Every frame is a multiple of 8 bytes long, so the numbers of blocks are aligned when the first frame of a buffer is.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from hippod_client.wire.arrays import BLOCK_ENTRY_BYTES, WireArray, encode_block
from hippod_client.wire.errors import WireError
from hippod_client.wire.layouts import Frame, Layout, layout_of

HEADER: Final = struct.Struct("<IBBHIIII")
HEADER_BYTES: Final = 24
LENGTH_BYTES: Final = 4
# A frame of 64 MiB holds 100,000 vectors of 160 numbers; more would let one request take the memory of many.
FRAME_BYTES_MAX: Final = 64 << 20
# Before login a peer is unknown: hello and login need a few hundred bytes.
LOGIN_FRAME_BYTES_MAX: Final = 4 << 10
# Bulk data travel in blocks; a body of small objects costs a multiple of its size in memory. Replies may list a fault for each row.
BODY_BYTES_MAX: Final = 1 << 20
BLOCKS_MAX: Final = 1_024
REQUESTS_IN_FLIGHT_MAX: Final = 64

# Up to this size one copy is cheaper than handing over the parts.
_JOINED_BYTES_MAX: Final = 65_536

_PADDING: Final = tuple(bytes(n) for n in range(8))


class Kind(enum.IntEnum):
    HELLO = 1
    WELCOME = 2
    LOGIN = 3
    LOGGED_IN = 4
    REQUEST = 5
    REPLY = 6
    ERROR = 7
    CANCEL = 8
    PING = 9
    PONG = 10
    GOODBYE = 11


_KINDS: Final = (None, *Kind)
_REQUEST: Final = Kind.REQUEST
_REPLY: Final = Kind.REPLY


class FrameHeader(NamedTuple):
    """A checked header. `length` counts the bytes after the length field; the whole frame has `length + LENGTH_BYTES`."""

    length: int
    kind: Kind
    flags: int
    blocks: int
    request_id: int
    body_length: int
    deadline_ms: int


def decode_header(buffer: bytes | bytearray | memoryview, offset: int = 0, length_max: int = FRAME_BYTES_MAX - LENGTH_BYTES) -> FrameHeader:
    """The header at `offset`, of which HEADER_BYTES must be there; WireError for anything that no frame can have.

    `length_max` bounds the length field. Nothing needs to be allocated before this has returned.
    """
    length, number, flags, blocks, request_id, body_length, deadline_ms, reserved = HEADER.unpack_from(buffer, offset)
    if not HEADER_BYTES - LENGTH_BYTES <= length <= length_max:
        raise WireError(f"a frame of length {length}: it is from {HEADER_BYTES - LENGTH_BYTES} to {length_max}")
    if not 1 <= number <= 11:
        raise WireError(f"frame kind {number} is unknown")
    kind = _KINDS[number]
    assert kind is not None
    if flags or reserved or (deadline_ms and kind is not _REQUEST):
        raise WireError("flags, reserved bits, or the deadline of a frame that is no request, are not 0")
    if blocks > BLOCKS_MAX:
        raise WireError(f"a frame has at most {BLOCKS_MAX} blocks, not {blocks}")
    if body_length > BODY_BYTES_MAX and kind is not _REPLY:
        raise WireError(f"a body has at most {BODY_BYTES_MAX} bytes, not {body_length}")
    if HEADER_BYTES - LENGTH_BYTES + body_length + (-body_length & 7) + blocks * BLOCK_ENTRY_BYTES > length:
        raise WireError("body and block table do not fit into the frame")
    return FrameHeader(length, kind, flags, blocks, request_id, body_length, deadline_ms)


def encode_frame(
    kind: int, request_id: int, body: bytes, arrays: Sequence[WireArray] = (), deadline_ms: int = 0
) -> list[bytes | memoryview]:
    """The buffers of one frame, in order, for writelines or sendmsg: one buffer of a small frame, else large arrays are not copied.

    Raises WireError if the frame, the body or the number of blocks is over its limit, or an array fits no block.
    """
    body_length = len(body)
    padding = -body_length & 7
    length = HEADER_BYTES - LENGTH_BYTES + body_length + padding
    if body_length > BODY_BYTES_MAX and kind != _REPLY:
        raise WireError(f"a body has at most {BODY_BYTES_MAX} bytes, not {body_length}")
    if not arrays:
        _check_length(length)
        return [HEADER.pack(length, kind, 0, 0, request_id, body_length, deadline_ms, 0) + body + _PADDING[padding]]
    if len(arrays) > BLOCKS_MAX:
        raise WireError(f"a frame has at most {BLOCKS_MAX} blocks, not {len(arrays)}")
    entries: list[bytes] = []
    data: list[bytes | memoryview] = []
    for array in arrays:
        entry, buffers, size = encode_block(array)
        entries.append(entry)
        data += buffers
        padded = -size & 7
        if padded:
            data.append(_PADDING[padded])
        length += BLOCK_ENTRY_BYTES + size + padded
    _check_length(length)
    header = HEADER.pack(length, kind, 0, len(arrays), request_id, body_length, deadline_ms, 0)
    if length <= _JOINED_BYTES_MAX:
        return [b"".join((header, body, _PADDING[padding], *entries, *data))]
    return [b"".join((header, body, _PADDING[padding], *entries)), *data]


def _check_length(length: int) -> None:
    if length + LENGTH_BYTES > FRAME_BYTES_MAX:
        raise WireError(f"a frame has at most {FRAME_BYTES_MAX} bytes, not {length + LENGTH_BYTES}: send fewer rows at a time")


def read_frame(frame: Frame) -> tuple[FrameHeader, Layout]:
    """Header and layout of exactly one whole frame; WireError if anything is amiss, in its data too."""
    header = decode_header(frame)
    if header.length + LENGTH_BYTES != len(frame):
        raise WireError(f"the frame has {len(frame)} bytes, its header says {header.length + LENGTH_BYTES}")
    layout = layout_of(frame, HEADER_BYTES, header.body_length, header.blocks)
    layout.check(frame)
    return header, layout


def split_frame(frame: Frame) -> tuple[FrameHeader, bytes, list[WireArray]]:
    """Header, body and arrays of a frame, as `read_frame`; arrays are views of it."""
    header, layout = read_frame(frame)
    return header, layout.body, layout.arrays(frame)
