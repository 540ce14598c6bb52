"""What was promised and what was found: live searches, a few of them, answered once more exactly."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

import msgspec
import numpy as np

from hippod.engine.index.recall.curve import Estimate, estimate

WINDOW: Final = 512
PROMISES_MAX: Final = 16
_SAMPLES_TO_JUDGE: Final = 64


class AuditedRecall(msgspec.Struct, frozen=True):
    """The last searches with one promise that were answered once more; `measured_at` seconds since the epoch."""

    promised: float
    found: Estimate
    measured_at: float


class Audit:
    """The last recalls of each promise; of the promises, those that were audited last."""

    def __init__(self) -> None:
        self._recalls: dict[float, deque[float]] = {}
        self._measured_at: dict[float, float] = {}

    def add(self, promise: float, recall: float) -> None:
        window = self._recalls.pop(promise, None)
        if window is None:
            window = deque(maxlen=WINDOW)
            while len(self._recalls) >= PROMISES_MAX:
                del self._measured_at[oldest := next(iter(self._recalls))], self._recalls[oldest]
        window.append(recall)
        self._recalls[promise] = window
        self._measured_at[promise] = time.time()

    def clear(self) -> None:
        """Begin anew: what answers has changed."""
        self._recalls.clear()
        self._measured_at.clear()

    def is_broken(self, promise: float) -> bool:
        """Whether enough was found to say that the promise does not hold."""
        window = self._recalls[promise]
        return len(window) >= _SAMPLES_TO_JUDGE and estimate(np.array(window)).high < promise

    def figures(self) -> list[AuditedRecall]:
        """By rising promise."""
        return [
            AuditedRecall(promise, estimate(np.array(window)), self._measured_at[promise])
            for promise, window in sorted(self._recalls.items())
        ]
