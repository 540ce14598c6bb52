"""Replies that a client leaves unread: when is it slow, and when is it not reading at all?"""

from __future__ import annotations

from typing import Final

# Reading less than this within the time allowed is not reading.
_PROGRESS_BYTES: Final = 65_536


class UnreadReplies:
    """Between `begin` and `end` more lies in the transport than may. Times are loop times.

    A slow line is no fault: the time starts anew whenever a good piece has gone.
    """

    __slots__ = ("_bytes", "_since", "_timeout_s")

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._since: float | None = None
        self._bytes: int | None = None

    @property
    def is_too_much(self) -> bool:
        return self._since is not None

    def begin(self, now: float) -> None:
        self._since, self._bytes = now, None

    def end(self) -> None:
        self._since = None

    def is_stuck(self, now: float, unread_bytes: int) -> bool:
        """Whether the client has taken next to nothing for too long; `unread_bytes` is what lies there now."""
        if self._since is None:
            return False
        if self._bytes is None or unread_bytes > self._bytes:
            self._bytes = unread_bytes
        elif self._bytes - unread_bytes >= _PROGRESS_BYTES:
            self._since, self._bytes = now, unread_bytes
        return now - self._since > self._timeout_s
