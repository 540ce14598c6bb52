"""When a host and a loop look out for the next message before they sleep."""

from __future__ import annotations

import asyncio
import os
import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hippod.engine.index.look_out import LookOut, LoopLookOut

_LONGEST_S = 0.01
_PAUSE = 3
_PAUSE_AND_TWO = 10


def _alone_twice(look_out: LookOut) -> None:
    look_out.answered(alone=True)
    look_out.answered(alone=True)


def _end_in_vain(look_out: LookOut) -> None:
    while look_out.seconds:
        look_out.begin()
        look_out.end(arrived=False)


def test_searches_that_come_one_by_one_are_looked_out_for() -> None:
    look_out = LookOut(_LONGEST_S)
    assert look_out.seconds == 0
    _alone_twice(look_out)
    assert look_out.seconds == _LONGEST_S
    assert look_out.begin() > time.perf_counter()


def test_searches_in_company_are_not() -> None:
    look_out = LookOut(_LONGEST_S)
    _alone_twice(look_out)
    look_out.answered(alone=False)
    assert look_out.seconds == 0


def test_what_is_long_in_coming_is_slept_for() -> None:
    look_out = LookOut(_LONGEST_S)
    look_out.answered(alone=True)
    time.sleep(0.01)
    look_out.answered(alone=True)
    assert look_out.seconds == 0


def test_looking_out_in_vain_is_done_for_a_shorter_time_and_at_last_not_at_all() -> None:
    look_out = LookOut(_LONGEST_S)
    _alone_twice(look_out)
    look_out.begin()
    look_out.end(arrived=False)
    assert 0 < look_out.seconds < _LONGEST_S
    _end_in_vain(look_out)
    assert look_out.seconds == 0


def test_after_looking_out_in_vain_some_searches_are_slept_for() -> None:
    look_out = LookOut(_LONGEST_S, _PAUSE)
    _alone_twice(look_out)
    _end_in_vain(look_out)
    for _ in range(_PAUSE):
        look_out.answered(alone=True)
        assert look_out.seconds == 0
    look_out.answered(alone=True)
    assert look_out.seconds == _LONGEST_S


class CountingSelector(selectors.DefaultSelector):
    """Counts the turns of a loop in which it did not sleep."""

    awake = 0

    def select(self, timeout: float | None = None) -> Any:
        self.awake += timeout is not None and timeout <= 0
        return super().select(timeout)


@contextmanager
def _counted_loop() -> Iterator[tuple[asyncio.Runner, CountingSelector]]:
    selector = CountingSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        yield runner, selector


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="with one processor a loop never looks out")
def test_a_loop_is_awake_while_a_lone_search_is_with_its_host_and_sleeps_until_the_next() -> None:
    async def lone_searches(selector: CountingSelector) -> tuple[int, int]:
        look_out = LoopLookOut()
        most = slept = 0
        for _ in range(50):
            for _ in range(_PAUSE_AND_TWO):
                look_out.sent(alone=True)
                look_out.answered(alone=True)
            await asyncio.sleep(0)
            look_out.sent(alone=True)
            before = selector.awake
            await asyncio.sleep(0.0003)
            most = max(most, selector.awake - before)
            look_out.answered(alone=True)
            await asyncio.sleep(0)
            before = selector.awake
            await asyncio.sleep(0.001)
            slept = max(slept, selector.awake - before)
        return most, slept

    with _counted_loop() as (runner, selector):
        most, slept = runner.run(lone_searches(selector))
    assert most > 5
    assert slept <= 2


def test_a_loop_does_not_look_out_for_searches_in_company() -> None:
    async def searches(selector: CountingSelector) -> int:
        look_out = LoopLookOut()
        most = 0
        for _ in range(50):
            for _ in range(_PAUSE_AND_TWO):
                look_out.answered(alone=True)
            look_out.sent(alone=True)
            look_out.sent(alone=False)
            before = selector.awake
            await asyncio.sleep(0.0003)
            most = max(most, selector.awake - before)
            look_out.answered(alone=False)
        return most

    with _counted_loop() as (runner, selector):
        assert runner.run(searches(selector)) <= 2
