"""The kernels that ScaNN runs on.

ScaNN has kernels for SSE4, AVX2 and AVX-512, and chooses by a test of the processor. Its wheels for x86-64 are built without that test:
as of 1.4.2 `port::TestCPUFeature` is compiled to return false, whatever it is asked, so the kernels for SSE4 run on every processor. What
the test for AVX2 says is kept in a variable that the library exports, and here it gets the value that it should have had. Of 62,666 x 384
a search then took 34 us instead of 52. AVX-512 brought nothing beyond that.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
from pathlib import Path
from typing import Any, Final

_MAY_USE_AVX2: Final = "_ZN14research_scann14flags_internal15should_use_avx2E"
# What the AVX2 kernels are compiled for: all that came with the first processors that have it.
_NEEDED: Final = frozenset({"avx2", "fma", "bmi1", "bmi2"})
_CPUINFO: Final = Path("/proc/cpuinfo")


def installed_scann() -> Any:
    """The module of ScaNN's searcher as it is."""
    importlib.import_module("scann.scann_ops.py.scann_ops_pybind")
    return importlib.import_module("scann_pybind")


def scann_library() -> Any:
    """The module of ScaNN's searcher, on the best kernels that this processor has: for this whole process, before it has an index."""
    library = installed_scann()
    switch = avx2_switch(library)
    if switch is not None and has_avx2(_cpuinfo()):
        switch.value = True
    return library


def avx2_switch(library: Any) -> ctypes.c_bool | None:
    """Whether a loaded ScaNN may use AVX2; None where it has no such switch."""
    with contextlib.suppress(OSError, ValueError):
        return ctypes.c_bool.in_dll(ctypes.CDLL(library.__file__), _MAY_USE_AVX2)
    return None


def has_avx2(cpuinfo: str) -> bool:
    """Whether every processor listed, as in /proc/cpuinfo, has what the kernels need and the system lets programs use it."""
    listed = [set(line.partition(":")[2].split()) for line in cpuinfo.splitlines() if line.startswith("flags")]
    return bool(listed) and all(flags >= _NEEDED for flags in listed)


def _cpuinfo() -> str:
    with contextlib.suppress(OSError):
        return _CPUINFO.read_text()
    return ""
