"""What the tests of the clients' methods share: one check a method, found by its name, and a table to try things on."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from hippod_client import Client, DataType, Field
from hippod_client import errors as e

Check = Callable[[Client], Awaitable[None]]
FIELDS = [
    Field("id", DataType.INT64, primary_key=True),
    Field("word", DataType.STRING, nullable=True),
    Field("v", DataType.FLOAT_VECTOR, dimension=4),
]


class Checks(dict[str, Check]):
    """The checks of the methods of one part of the clients, with their successes and failures. A method without one fails the suite."""

    def __init__(self, part: type) -> None:
        super().__init__()
        self._part = part

    def covers(self, *methods: str) -> Callable[[Check], Check]:
        def register(check: Check) -> Check:
            self.update(dict.fromkeys(methods, check))
            return check

        return register

    def missing(self) -> set[str]:
        return {name for name, method in vars(self._part).items() if inspect.isfunction(method) and name[0] != "_"} ^ self.keys()

    def each(self) -> list[str]:
        """A method for each check."""
        return sorted({check: method for method, check in self.items()}.values())


def rows(first: int = 0, count: int = 10) -> dict[str, Any]:
    ids = np.arange(first, first + count)
    return {"id": ids, "word": [f"w{n % 3}" for n in ids.tolist()], "v": np.repeat(ids.astype(np.float32), 4).reshape(-1, 4)}


async def filled(client: Client, *, indexed: bool = False) -> None:
    """The table `t` with ten rows, row i at (i, i, i, i)."""
    await client.create_table("t", FIELDS)
    await client.insert("t", rows())
    if indexed:
        await client.create_index("t", "ix", "v", type="FLAT")
        await client.activate_index("t", "ix")


async def fails(error: type[e.HippodError], call: Any, *words: str) -> e.HippodError:
    with pytest.raises(error) as raised:
        await call
    for word in words:
        assert word in str(raised.value)
    assert not raised.value.outcome_unknown
    return raised.value
