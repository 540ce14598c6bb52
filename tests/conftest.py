"""A real server for tests that only talk to one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from hypothesis import settings

from hippod.engine import access
from hippod.testing import ServerProcess
from hippod_client.sync import Client

# How long an example takes depends on what else the machine does: no test asserts a time.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> Iterator[None]:
    """Engines inside this process hash passwords quickly; servers, processes of their own, hash as they always do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


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
