"""The published client of Hippo, as its users call it, against a server of ours. It is untyped."""

from __future__ import annotations

from typing import Any

from transwarp_hippo_api.hippo_client import HippoClient, HippoConn, HippoTable, HippoTableMeta

from hippod.testing import ServerProcess
from tests.rest.harness import Rest


def hippo(server: ServerProcess, user: str = "shiva", password: str = "shiva") -> Any:
    """A HippoClient."""
    return HippoClient([f"{server.host}:{server.rest_port}"], user, password)


def hippo_table(rest: Rest, table: str) -> Any:
    """A HippoTable of a table in the database of the test."""
    address = [f"{rest.server.host}:{rest.server.rest_port}"]
    return HippoTable(HippoConn(address), HippoTableMeta(table, False, [], 1, 1, rest.database))
