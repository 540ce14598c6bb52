"""Both clients on one server."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

import pytest

from hippod.testing import ServerProcess
from hippod_client import Client
from tests.client.both import KINDS, connected
from tests.client.proxy import Proxy


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which client a test is about."""
    return str(request.param)


@pytest.fixture
async def both(kind: str, shared_server: ServerProcess, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """Either client, connected, its database the test's own."""
    async with connected(kind, shared_server.host, shared_server.port) as client:
        database = f"b{zlib.crc32(request.node.nodeid.encode()):x}"
        await client.create_database(database)
        client.database = database
        yield client


@pytest.fixture
def proxy(shared_server: ServerProcess) -> Iterator[Proxy]:
    with Proxy(shared_server.host, shared_server.port) as made:
        yield made
