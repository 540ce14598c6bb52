"""A real server for tests that only talk to one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hippod.testing import ServerProcess
from hippod_client.sync import Client


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests that make their own databases."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture
def client(shared_server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client whose database is the test's own."""
    with Client(shared_server.host, shared_server.port) as made:
        database = f"t{abs(hash(request.node.nodeid)):x}"
        made.create_database(database)
        made.database = database
        yield made
