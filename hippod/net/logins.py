"""Checking passwords for every port: a bounded number at once, slower and slower for those who guess."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from hippod.engine.access import Principal
from hippod.errors import AuthenticationFailed, RetryLater

# A hash takes 19 MiB and tens of milliseconds: this many at once leave the server its memory and a processor.
HASHES_MAX: Final = max(1, min(4, (os.cpu_count() or 1) - 1))
WAITING_MAX: Final = 256
FREE_FAILURES: Final = 5
# Many may share an address, and one of them with an old password must not hold up the others.
FREE_FAILURES_OF_ADDRESS: Final = 100
_DELAY_FIRST_S: Final = 0.25
_DELAY_MAX_S: Final = 10.0
_REMEMBERED_MAX: Final = 10_000
_FORGOTTEN_AFTER_S: Final = 900.0


class Logins:
    """Owned by the server; event loop only. Failures are counted for each address and each user from an address: nobody is locked
    out everywhere because somebody guesses."""

    def __init__(self, authenticate: Callable[[str, str], Awaitable[Principal]]) -> None:
        self._authenticate = authenticate
        self._hashes = asyncio.Semaphore(HASHES_MAX)
        self._waiting = 0
        self._failures: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()

    async def login(self, user: str, password: str, address: str) -> Principal:
        """The principal, or AuthenticationFailed, or RetryLater when too many logins wait."""
        counted: dict[tuple[str, ...], int] = {(address,): FREE_FAILURES_OF_ADDRESS, (address, user): FREE_FAILURES}
        # Those who are held back wait here and take no place from others.
        await asyncio.sleep(max(self._delay_s(key, free) for key, free in counted.items()))
        if self._waiting >= WAITING_MAX:
            raise RetryLater(f"{WAITING_MAX} logins are waiting, the most allowed: try again later")
        self._waiting += 1
        try:
            async with self._hashes:
                principal = await self._authenticate(user, password)
        except AuthenticationFailed:
            for key in counted:
                self._count(key)
            raise
        finally:
            self._waiting -= 1
        self._failures.pop((address, user), None)
        return principal

    def _delay_s(self, key: tuple[str, ...], free: int) -> float:
        failures, last = self._failures.get(key, (0, 0.0))
        if failures < free or asyncio.get_running_loop().time() - last > _FORGOTTEN_AFTER_S:
            return 0.0
        return min(_DELAY_MAX_S, _DELAY_FIRST_S * 2.0 ** min(failures - free, 10))

    def _count(self, key: tuple[str, ...]) -> None:
        now = asyncio.get_running_loop().time()
        failures, last = self._failures.pop(key, (0, now))
        self._failures[key] = (1 if now - last > _FORGOTTEN_AFTER_S else failures + 1, now)
        if len(self._failures) > _REMEMBERED_MAX:
            self._failures.popitem(last=False)
