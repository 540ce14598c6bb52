"""When a host and a loop look out for the next message before they sleep."""

from __future__ import annotations

import time

from hippod.engine.index.look_out import LookOut

_LONGEST_S = 0.01
_PAUSE = 3


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
