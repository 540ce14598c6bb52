from __future__ import annotations

import pytest

from hippod.testing import ServerProcess
from hippod_client.sync import Client
from tests.rest.harness import Rest


@pytest.fixture
def rest(shared_server: ServerProcess, client: Client) -> Rest:
    """The REST API with a database of the test's own, which the native `client` uses, too."""
    return Rest(shared_server, client.database)
