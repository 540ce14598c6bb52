"""The asyncio client on both event loops that people use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from hippod.testing import ServerProcess
from hippod_client import Client


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_asyncio_client_works_on_the_loop(shared_server: ServerProcess, run: Callable[[Coroutine[Any, Any, list[str]]], list[str]]) -> None:
    async def talk() -> list[str]:
        async with Client(shared_server.host, shared_server.port) as client:
            await client.ping()
            return await client.list_databases()

    assert "default" in run(talk())
