"""The two clients behind one face, so that one test holds both to the same behaviour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from hippod_client import Client
from hippod_client.sync import Client as SyncClient

KINDS = ("async", "sync")


class _Threaded:
    """A client that blocks, each of its calls in a thread of its own."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return _in_thread(found) if callable(found) else found

    def __setattr__(self, name: str, value: object) -> None:
        if name == "_client":
            super().__setattr__(name, value)
        else:
            setattr(self._client, name, value)


def _in_thread(method: Callable[..., Any]) -> Callable[..., Any]:
    async def called(*arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(method, *arguments, **named)

    return called


def new_client(kind: str, host: str, port: int, **options: Any) -> Client:
    """A client that is not connected yet; of the blocking one, the methods are awaitable."""
    if kind == "async":
        return Client(host, port, **options)
    return cast("Client", _Threaded(SyncClient(host, port, **options)))


@asynccontextmanager
async def connected(kind: str, host: str, port: int, **options: Any) -> AsyncIterator[Client]:
    client = new_client(kind, host, port, **options)
    await client.connect()
    try:
        yield client
    finally:
        await client.close()
