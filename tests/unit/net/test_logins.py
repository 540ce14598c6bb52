from __future__ import annotations

import asyncio

import pytest

from hippod.engine.access import Principal
from hippod.errors import AuthenticationFailed, RetryLater
from hippod.net import logins
from hippod.net.logins import FREE_FAILURES, FREE_FAILURES_OF_ADDRESS, HASHES_MAX, WAITING_MAX, Logins

SHIVA = Principal("shiva")


class Door:
    """Checks passwords as slowly as the test wants; counts how many it checks at once."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.checking = self.most = self.checked = 0

    async def authenticate(self, _user: str, password: str) -> Principal:
        self.checking += 1
        self.checked += 1
        self.most = max(self.most, self.checking)
        try:
            await self.open.wait()
        finally:
            self.checking -= 1
        if password != "right":
            raise AuthenticationFailed("wrong user or password")
        return SHIVA


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The delays that logins were given; nobody really waits."""
    given: list[float] = []
    really = asyncio.sleep

    async def sleep(seconds: float) -> None:
        given.append(seconds)
        await really(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return given


async def fail(guarded: Logins, times: int, user: str = "shiva", address: str = "192.0.2.1") -> None:
    for _ in range(times):
        with pytest.raises(AuthenticationFailed):
            await guarded.login(user, "wrong", address)


async def test_failures_cost_more_and_more_up_to_a_limit(door: Door, pauses: list[float]) -> None:
    await fail(Logins(door.authenticate), FREE_FAILURES + 12)
    assert pauses[:FREE_FAILURES] == [0.0] * FREE_FAILURES
    later = pauses[FREE_FAILURES:]
    assert later[:4] == [0.25, 0.5, 1.0, 2.0]
    assert later == sorted(later)
    assert later[-1] == later[-2] == 10.0


async def test_guessing_other_names_from_the_same_address_costs_too(door: Door, pauses: list[float]) -> None:
    guarded = Logins(door.authenticate)
    for number in range(FREE_FAILURES_OF_ADDRESS + 2):
        await fail(guarded, 1, user=f"user{number}")
    assert pauses[-1] == 0.5


async def test_nobody_elsewhere_is_held_up_by_it(door: Door, pauses: list[float]) -> None:
    guarded = Logins(door.authenticate)
    await fail(guarded, 30)
    assert await guarded.login("shiva", "right", "192.0.2.2") is SHIVA
    assert pauses[-1] == 0.0


async def test_failures_are_forgotten_after_a_while(door: Door, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = Logins(door.authenticate)
    await fail(guarded, 10)
    monkeypatch.setattr(logins, "_FORGOTTEN_AFTER_S", -1.0)
    await fail(guarded, 2)
    assert pauses[-2:] == [0.0, 0.0]


async def test_what_is_remembered_is_bounded(door: Door, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "_REMEMBERED_MAX", 10)
    guarded = Logins(door.authenticate)
    for number in range(30):
        await fail(guarded, 1, user=f"user{number}", address=f"192.0.2.{number}")
    assert len(guarded._failures) <= 10


async def test_no_more_than_four_passwords_are_hashed_at_once(door: Door) -> None:
    guarded = Logins(door.authenticate)
    door.open.clear()
    tasks = [asyncio.ensure_future(guarded.login("shiva", "right", "192.0.2.1")) for _ in range(20)]
    while door.checking < HASHES_MAX:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert door.checking == HASHES_MAX
    door.open.set()
    assert await asyncio.gather(*tasks) == [SHIVA] * 20
    assert door.most == HASHES_MAX


async def test_logins_beyond_those_that_may_wait_are_refused_at_once(door: Door) -> None:
    guarded = Logins(door.authenticate)
    door.open.clear()
    tasks = [asyncio.ensure_future(guarded.login("shiva", "right", f"10.0.0.{n}")) for n in range(WAITING_MAX + 3)]
    done, waiting = await asyncio.wait(tasks, timeout=30, return_when=asyncio.FIRST_EXCEPTION)
    assert all(isinstance(task.exception(), RetryLater) for task in done)
    door.open.set()
    await asyncio.wait(waiting)
    assert sum(task.exception() is None for task in tasks) == WAITING_MAX


async def test_those_who_are_held_back_take_no_place_from_others(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses beyond number from one address do not keep the others out."""
    guarded = Logins(door.authenticate)
    await fail(guarded, FREE_FAILURES)
    guesses = [asyncio.ensure_future(guarded.login("shiva", "wrong", "192.0.2.1")) for _ in range(2 * WAITING_MAX)]
    await asyncio.sleep(0)
    assert await guarded.login("shiva", "right", "192.0.2.2") is SHIVA
    assert not any(guess.done() for guess in guesses)
    for guess in guesses:
        guess.cancel()
    await asyncio.gather(*guesses, return_exceptions=True)
