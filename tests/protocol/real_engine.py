"""A real engine on real files behind the real native server, in the process of the test; only passwords are not hashed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from hippod.engine.engine import Engine
from hippod.engine.operations import ActivateIndex, CreateIndex, CreateTable, DropAlias, DropTable
from hippod.errors import HippodError, NotFound
from hippod.net.logins import Logins
from hippod.net.native.server import NativeServer
from hippod.net.options import NetOptions
from tests.protocol.peer import Peer
from tests.protocol.slow_engine import authenticate
from tests.unit.engine.harness import BOOKS, opened, run


class Served(NamedTuple):
    """`address` takes connections."""

    engine: Engine
    server: NativeServer
    address: tuple[str, int]

    async def connect(self) -> Peer:
        return await Peer.connect(*self.address)

    async def need_table(self) -> None:
        """Have an open table `t` with the fields of BOOKS and an index `ix` on its vectors; a new one if it is gone."""
        try:
            self.engine.table("default", "t")
        except HippodError:
            for gone in (DropAlias("t"), DropTable("t", purge=True)):
                with suppress(NotFound):
                    await run(self.engine, gone)
            await run(self.engine, CreateTable("t", BOOKS))
            await run(self.engine, CreateIndex("t", "ix", "v", type="FLAT"))
            await run(self.engine, ActivateIndex("t", "ix"))


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[Served]:
    async with opened(path) as engine:
        server = NativeServer(engine, Logins(authenticate), NetOptions(stop_timeout_s=0.3))
        made = Served(engine, server, await server.start("127.0.0.1", 0))
        await made.need_table()
        try:
            yield made
        finally:
            await server.stop()
