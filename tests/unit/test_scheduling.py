"""Turns on the processor, as the kernel knows them."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hippod.engine.index.host_process import HostProcess
from hippod.engine.index.protocol import HostSetup
from hippod.engine.index.vectors import VectorFile
from hippod.scheduling import run_in_background, run_soon

_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}
_RELEASE = tuple(int(number) for number in platform.release().split("-", maxsplit=1)[0].split(".")[:2])

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="turns of other systems can't be asked for")


def _turn_ns(thread: int = 0) -> int:
    """The turns of a thread, or of this one."""
    attributes = ctypes.create_string_buffer(48)
    number = _SCHED_GETATTR[platform.machine()]
    assert ctypes.CDLL(None).syscall(number, thread, attributes, len(attributes), 0) == 0
    runtime: int = struct.unpack("<IIQiIQQQ", attributes.raw)[5]
    return runtime


def _nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def _in_new_thread(work: Callable[[], int], first: Callable[[], None] = lambda: None) -> int:
    with ThreadPoolExecutor(1, initializer=first) as executor:
        return executor.submit(work).result()


@pytest.mark.skipif(sys.platform == "linux" and _RELEASE < (6, 12), reason="the kernel has turns of one length")
def test_a_thread_that_is_to_run_soon_has_short_turns_and_what_it_starts_has_not() -> None:
    usual = _turn_ns()
    assert _in_new_thread(_turn_ns, run_soon) == 100_000
    assert _in_new_thread(lambda: _in_new_thread(_turn_ns), run_soon) == usual > 100_000


@pytest.mark.skipif(sys.platform == "linux" and _RELEASE < (6, 12), reason="the kernel has turns of one length")
async def test_an_index_host_has_short_turns(tmp_path: Path) -> None:
    vectors = VectorFile(tmp_path / "vectors", 4)
    host = await HostProcess.start(HostSetup(str(vectors.path), 4, "float32", "l2"))
    try:
        assert _turn_ns(host.pid) == 100_000
    finally:
        await host.close()
        vectors.close()


def test_work_in_the_background_and_what_it_starts_stands_back_but_nobody_else() -> None:
    usual = _nice()
    assert _in_new_thread(lambda: _in_new_thread(_nice), run_in_background) == max(usual, 10)
    assert _nice() == usual
