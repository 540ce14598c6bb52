"""Every method of `Client` through both clients, with its success and its failures."""

from __future__ import annotations

import inspect

import pytest

from hippod_client import Client, StatusInfo
from hippod_client import errors as e
from hippod_client.sync import Client as SyncClient
from tests.client.checks import Checks, fails

CHECKS = Checks(Client)


def public_methods(client: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}


@CHECKS.covers("connect")
async def _connect(client: Client) -> None:
    await client.connect()
    assert client.server_id is not None
    assert len(client.server_id) == 32


@CHECKS.covers("close")
async def _close(client: Client) -> None:
    await client.close()
    await client.close()
    await fails(e.ConnectionLost, client.ping(), "closed")


@CHECKS.covers("ping")
async def _ping(client: Client) -> None:
    await client.ping()
    await fails(e.ClientTimeout, client.ping(timeout=0.0))
    await client.ping()


@CHECKS.covers("status")
async def _status(client: Client) -> None:
    status = await client.status()
    assert isinstance(status, StatusInfo)
    assert (status.mode, status.server_id) == ("ready", client.server_id)
    assert status.durable_lsn > 0
    assert status.durable_lsn >= status.applied_lsn >= 0


@pytest.mark.parametrize("method", CHECKS.each())
async def test_method(both: Client, method: str) -> None:
    await CHECKS[method](both)


def test_every_method_has_a_check() -> None:
    assert not CHECKS.missing()


def test_both_clients_have_the_same_methods_with_the_same_arguments_and_words() -> None:
    for name in sorted(public_methods(Client)):
        twin = getattr(SyncClient, name, None)
        assert twin is not None, name
        assert inspect.signature(getattr(Client, name)).parameters == inspect.signature(twin).parameters, name
        assert twin.__doc__, name
        assert twin.__doc__ == getattr(Client, name).__doc__, name
    assert public_methods(Client) == public_methods(SyncClient)
