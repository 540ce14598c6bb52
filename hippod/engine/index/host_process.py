"""The server's end of one index host: it starts the child, feeds it and hands its answers on, without ever blocking the loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, cast

import msgspec
import numpy as np

from hippod.engine.index.exact import Hits
from hippod.engine.index.protocol import (
    UNRESTRICTED,
    Header,
    HostSetup,
    Kind,
    Reassembly,
    Restriction,
    decode_found,
    encode,
    encode_search,
    encode_slots,
)
from hippod.engine.index.vectors import Slots, Vectors

log = logging.getLogger("hippod.index")

_BUFFERED_BYTES_MAX: Final = 256 << 20


class HostLost(Exception):
    """The host process ended, or did not answer any more."""


class HostFailed(Exception):
    """The host could not do a task; it is well otherwise. The text is its own."""


class HostProcess(asyncio.Protocol):
    """One child process. Owned by a Generation, which closes or kills it; all on the event loop.

    `on_found(ident, hits, short)` gets the answers of searches; `on_lost` is called once when the connection is gone,
    however that came about, after which nothing else is called.
    """

    def __init__(self) -> None:
        self.trained_rows = 0
        self.fresh_rows = 0
        self.on_found: Callable[[int, Hits, bool], None] = lambda _ident, _hits, _short: None
        self.on_lost: Callable[[], None] = lambda: None
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reassembly = Reassembly()
        self._tasks: dict[int, asyncio.Future[bytes]] = {}
        self._next_task = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = asyncio.Event()
        self._reaping: asyncio.Future[None] | None = None

    @classmethod
    async def start(cls, setup: HostSetup) -> HostProcess:
        """A running host that has mapped the vector file. Raises HostLost or HostFailed."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        host = cls()
        try:
            with theirs:
                environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
                command = [sys.executable, "-P", "-m", "hippod.engine.index.host", str(theirs.fileno()), str(os.getpid())]
                host._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own module; vfork and exec take about a millisecond
                    command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), env=environment
                )
            ours.setblocking(False)
            await asyncio.get_running_loop().create_unix_connection(lambda: host, sock=ours)
        except OSError as error:
            ours.close()
            raise HostLost(f"an index host could not be started: {error}") from error
        try:
            await host.call(Kind.OPEN, setup)
        except BaseException:
            host.kill()
            raise
        return host

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def memory_bytes(self) -> int:
        """Private memory of the process; 0 where the system does not tell."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{self.pid}/status").read_text()
            return int(status.split("RssAnon:", 1)[1].split(None, 1)[0]) * 1_024
        return 0

    async def call(self, kind: Kind, task: msgspec.Struct | None) -> bytes:
        """Have a task done and return its result. Raises HostLost or HostFailed."""
        self._next_task += 1
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._tasks[self._next_task] = answer
        self._write(encode(kind, self._next_task, msgspec.json.encode(task)))
        return await answer

    async def count(self) -> tuple[int, int]:
        """Rows trained or absorbed, and rows still fresh, once the host has obeyed all that was sent. Raises HostLost."""
        self.trained_rows, self.fresh_rows = np.frombuffer(await self.call(Kind.COUNT, None), np.int64).tolist()
        return self.trained_rows, self.fresh_rows

    async def send_slots(self, kind: Kind, slots: Slots) -> None:
        """Send any number of slots at the pace of the host. Raises HostLost."""
        for message in encode_slots(kind, slots):
            await self._writable.wait()
            self._write(message)

    def search(
        self, ident: int, rows: int, k: int, effort: int, reorder: int, queries: list[Vectors], restriction: Restriction = UNRESTRICTED
    ) -> None:
        """Ask for the answers to `rows` queries; they come with `ident`. Raises HostLost."""
        self._write(encode_search(ident, rows, k, effort, reorder, queries, restriction))

    def tell(self, messages: Iterable[bytes]) -> None:
        """Send what searches that are sent later rely on. Raises HostLost."""
        self._write_all(messages)

    def add_range(self, first_slot: int, count: int) -> None:
        """Tell of new rows. Raises HostLost."""
        self._write(encode(Kind.ADD_RANGE, 0, np.array((first_slot, count), np.int64).tobytes()))

    def send_now(self, kind: Kind, slots: Slots) -> None:
        """Tell of some slots at once, so that every search that is sent later knows. Raises HostLost."""
        self._write_all(encode_slots(kind, slots))

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Close the socket, which ends the process, and wait until it has ended."""
        if self._transport is not None:
            self._transport.close()
            await self._ended.wait()
        if self._reaping is not None:
            await asyncio.shield(self._reaping)

    def _write_all(self, messages: Iterable[bytes]) -> None:
        for message in messages:
            self._write(message)

    def _write(self, message: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise HostLost("the index host is gone")
        self._transport.write(message)
        if not self._writable.is_set() and self._transport.get_write_buffer_size() > _BUFFERED_BYTES_MAX:
            log.error("index host %d does not read any more and is ended", self.pid)
            self.kill()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        for header, body in self._reassembly.feed(data):
            self._obey(header, body)

    def _obey(self, header: Header, body: memoryview) -> None:
        if header.kind == Kind.FOUND:
            self.on_found(header.ident, decode_found(header, body), header.short != 0)
        elif header.kind == Kind.STATUS:
            self.trained_rows, self.fresh_rows = np.frombuffer(body, np.int64).tolist()
        elif (answer := self._tasks.pop(header.ident, None)) is not None and not answer.done():
            if header.kind == Kind.DONE:
                answer.set_result(bytes(body))
            else:
                answer.set_exception(HostFailed(bytes(body).decode(errors="replace")))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason is the process's own
        self._transport = None
        self._writable.set()
        self._ended.set()
        for answer in self._tasks.values():
            if not answer.done():
                answer.set_exception(HostLost("the index host ended"))
        self._tasks.clear()
        if self._process is not None:
            self._reaping = asyncio.get_running_loop().run_in_executor(None, self._reap)
        self.on_lost()

    def _reap(self) -> None:
        """Wait for the process in a thread, with force if it lingers."""
        process = self._process
        assert process is not None
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
