"""From received bytes to whole frames, without believing any length that was claimed."""

from __future__ import annotations

import struct

from hippod_client.wire.errors import WireError
from hippod_client.wire.frames import FRAME_BYTES_MAX, HEADER_BYTES, LENGTH_BYTES, LOGIN_FRAME_BYTES_MAX, decode_header
from hippod_client.wire.layouts import Frame

_LENGTH = struct.Struct("<I")


class Intake:
    """Cuts a stream into frames. Arrays may view a frame for ever: its memory is never written again.

    Memory for an unfinished frame grows with the bytes that came, not with the length that its header claims. After a WireError the
    stream cannot be read on. `login_done` raises the limit of a frame from 4 KiB to 64 MiB.
    """

    __slots__ = ("_frame_bytes_max", "_partial", "_wanted")

    def __init__(self) -> None:
        self._frame_bytes_max = LOGIN_FRAME_BYTES_MAX
        self._partial = bytearray()
        self._wanted = 0

    def login_done(self) -> None:
        self._frame_bytes_max = FRAME_BYTES_MAX

    @property
    def unfinished_bytes(self) -> int:
        """Bytes held of a frame that is not whole yet."""
        return len(self._partial)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes. Raises WireError for the header of an unfinished frame that no frame can have."""
        frames: list[Frame] = []
        at = 0
        while self._partial:
            if not self._wanted:
                at += self._fill(data, at, HEADER_BYTES)
                if len(self._partial) < HEADER_BYTES:
                    return frames
                self._wanted = self._size(self._partial, 0)
            at += self._fill(data, at, self._wanted)
            if len(self._partial) < self._wanted:
                return frames
            frames.append(memoryview(self._partial))
            self._partial, self._wanted = bytearray(), 0
        end = len(data)
        while end - at >= HEADER_BYTES:
            size: int = _LENGTH.unpack_from(data, at)[0] + LENGTH_BYTES
            if not HEADER_BYTES <= size <= end - at or size > self._frame_bytes_max:
                self._wanted = self._size(data, at)
                break
            frames.append(data[at : at + size])
            at += size
        if at < end:
            self._partial = bytearray(memoryview(data)[at:])
        return frames

    def _fill(self, data: bytes, at: int, wanted: int) -> int:
        """Take what an unfinished frame lacks; how much that was."""
        taken = min(wanted - len(self._partial), len(data) - at)
        self._partial += memoryview(data)[at : at + taken]
        return taken

    def _size(self, data: bytes | bytearray, at: int) -> int:
        size: int = _LENGTH.unpack_from(data, at)[0] + LENGTH_BYTES
        if not HEADER_BYTES <= size <= self._frame_bytes_max:
            raise WireError(f"a frame of {size} bytes: it has {HEADER_BYTES} to {self._frame_bytes_max} here")
        decode_header(data, at)
        return size
