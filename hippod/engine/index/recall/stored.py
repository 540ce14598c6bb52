"""The curves of an index on disk, beside its saved files: derived, so that what is missing or damaged is measured again.

<directory>/recall.json   Stored: format, which training was measured, the curves, and the SHA-256 of their encoding
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Final

import msgspec

from hippod.engine.index.recall.curve import Curve

FORMAT: Final = 2
_NAME: Final = "recall.json"
_BYTES_MAX: Final = 16 << 20

log = logging.getLogger("hippod.index")


class Measured(msgspec.Struct, frozen=True):
    """Which training was measured, and what was found."""

    training: str
    curves: list[Curve]


class _Stored(msgspec.Struct, frozen=True):
    format: int
    sha256: str
    measured: msgspec.Raw


# Made here and not at the first use: curves are read in several threads, in which msgspec cannot learn a type at the same time.
_decode_stored: Final = msgspec.json.Decoder(_Stored).decode
_decode_measured: Final = msgspec.json.Decoder(Measured).decode


def read_curves(directory: Path, training: str) -> list[Curve]:
    """The curves measured for just this training, none if there are none that hold. Blocks."""
    path = directory / _NAME
    try:
        if path.stat().st_size > _BYTES_MAX:
            return []
        stored = _decode_stored(path.read_bytes())
        if stored.format != FORMAT or hashlib.sha256(stored.measured).hexdigest() != stored.sha256:
            return []
        measured = _decode_measured(stored.measured)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return []
    return measured.curves if measured.training == training else []


def write_curves(directory: Path, measured: Measured) -> None:
    """Replace the stored curves; a failure only costs the time to measure again. Blocks."""
    raw = msgspec.json.encode(measured)
    text = msgspec.json.encode(_Stored(FORMAT, hashlib.sha256(raw).hexdigest(), msgspec.Raw(raw)))
    building = directory / (_NAME + ".new")
    try:
        with building.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        building.rename(directory / _NAME)
    except OSError as error:
        log.warning("the measured recall of an index could not be saved; it will be measured again after a restart: %s", error)
