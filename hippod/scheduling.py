"""Whose turn it is on a busy processor: threads that others wait for run soon, and those that nobody waits for let them.

Linux gives each thread turns of about 3 ms, and one that wakes may wait for as many turns as there are busy threads on its processor. A
thread may ask for shorter turns, which come sooner for it: its share stays the same (EEVDF; sched_attr.sched_runtime of sched_setattr(2),
since Linux 6.12). Where the system knows no such wish, nothing changes.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading
from typing import Final

_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
# size, policy, flags, nice, priority, runtime, deadline, period: struct sched_attr in its first version.
_SCHED_ATTR: Final = struct.Struct("<IIQiIQQQ")
_RESET_ON_FORK: Final = 1
_SHORT_TURN_NS: Final = 100_000
_BACKGROUND_NICE: Final = 10


def run_soon() -> None:
    """From now on this thread, which mostly waits, is to run soon after it wakes. What it starts has the turns of everybody."""
    number = _SCHED_SETATTR.get(platform.machine())
    # Who runs hippod at another policy has decided already.
    if sys.platform != "linux" or number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wish = _SCHED_ATTR.pack(_SCHED_ATTR.size, os.SCHED_OTHER, _RESET_ON_FORK, nice, 0, _SHORT_TURN_NS, 0, 0)
    ctypes.CDLL(None).syscall(number, 0, wish, 0)


def run_in_background() -> None:
    """From now on this thread, and what it starts, has a tenth of the share of others where they want the processor."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BACKGROUND_NICE)
