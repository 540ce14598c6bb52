"""Awaiting a message awake: being woken costs a lone searcher more than anything else on its way.

While searches come one by one, each soon after the answer to the last, whoever awaits the next message looks out for it for a moment
before it sleeps. It gives up where that is in vain, and where somebody else wants the processor.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from typing import Final

_LEAST_S: Final = 0.0001
_LONE_GAP_S: Final = 0.0015
# What a lone search takes with its host.
_ANSWER_S: Final = 0.0005
# A loop that looks out keeps its processor from everybody else: it had better not try again at once.
_PAUSE_SEARCHES: Final = 8
_WHOSE: Final = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)


class LookOut:
    """How long to look out: `seconds`, at most `longest_s`; 0: sleep. After somebody else wanted the processor, or nothing came in time,
    `pause` lone searches are awaited asleep."""

    def __init__(self, longest_s: float, pause: int = 0) -> None:
        self.seconds = 0.0
        self._longest_s = longest_s
        self._pause_searches = pause
        self._pause = 0
        self._answered_at = 0.0
        self._switches = 0

    def answered(self, *, alone: bool) -> None:
        """Look out for what comes next if this answer was to a search that came alone and soon after the last one."""
        now = time.perf_counter()
        if not alone:
            self.seconds = 0.0
        elif self._pause:
            self._pause -= 1
        elif not self.seconds and now - self._answered_at < _LONE_GAP_S:
            self.seconds = self._longest_s
        self._answered_at = now

    def begin(self) -> float:
        """Until when to look out, by time.perf_counter."""
        self._switches = _switches()
        return time.perf_counter() + self.seconds

    def end(self, *, arrived: bool) -> None:
        """Looking out is over: the next time is as long as can be if it was worth it, shorter or not at all if not."""
        if _switches() != self._switches or (not arrived and self.seconds <= _LEAST_S):
            self.seconds, self._pause = 0.0, self._pause_searches
        else:
            self.seconds = self._longest_s if arrived else self.seconds / 2


class LoopLookOut:
    """Keeps an event loop awake while a lone search is with its host. Event loop only.

    For the next search it sleeps: the client that is to send it needs a processor, and the host looks out on the other one.
    """

    def __init__(self) -> None:
        self._look_out = LookOut(_ANSWER_S, _PAUSE_SEARCHES)
        self._loop = asyncio.get_running_loop()
        self._until = 0.0
        self._is_turning = False
        self._was_answered = False
        self._has_processor = _processors() > 1

    def sent(self, *, alone: bool) -> None:
        """A search goes to the host, where no other is (`alone`)."""
        if not alone:
            self._until = 0.0
        elif self._look_out.seconds and self._has_processor and not self._is_turning:
            self._until = self._look_out.begin()
            self._is_turning, self._was_answered = True, False
            self._loop.call_soon(self._turn)

    def answered(self, *, alone: bool) -> None:
        """An answer has come, to the only search that was with the host (`alone`)."""
        self._look_out.answered(alone=alone)
        self._until, self._was_answered = 0.0, True

    def _turn(self) -> None:
        """Run again in the next turn of the loop, which then does not sleep."""
        if time.perf_counter() < self._until:
            self._loop.call_soon(self._turn)
        else:
            self._is_turning = False
            self._look_out.end(arrived=self._was_answered)


def _switches() -> int:
    """How often this thread has lost the processor to somebody else."""
    return resource.getrusage(_WHOSE).ru_nivcsw


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
