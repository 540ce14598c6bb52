"""The life of the server process: open the engine, listen, say that it is ready, wait, stop in order."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import ipaddress
import logging
import os
import resource
import signal
import socket
import sys
from typing import Final

import uvloop

from hippod.config import Config
from hippod.engine.access import SUPERUSER
from hippod.engine.engine import Engine
from hippod.errors import ConfigurationError, DataDirectoryBusy
from hippod.net.logins import Logins
from hippod.net.native.server import NativeServer
from hippod.net.rest.remote import RestReader
from hippod.net.rest.server import RestServer

# The event loop wants the interpreter back from a computing thread within this time.
_SWITCH_INTERVAL_S: Final = 0.0001
# After a disk failure: so long for the answers to what was open to leave.
_LAST_WORDS_S: Final = 0.1
# Descriptors for everything but connections: log, store, vector files, index hosts.
_OTHER_FILES: Final = 4_096
# mallopt's name for the size from which a block is mapped by itself, and the size: batches are larger, the work of a search smaller.
_M_MMAP_THRESHOLD: Final = -3
_MAPPED_BLOCK_BYTES: Final = 1 << 20
# And for how much free memory an arena keeps at its end: the work of a search, which the next one takes again.
_M_TRIM_THRESHOLD: Final = -1
_KEPT_BYTES: Final = 16 << 20

# Objects that may be new before cycles are looked for among them: some hundreds of requests in flight make no more.
_NEW_OBJECTS_MAX: Final = 50_000

_log = logging.getLogger(__name__)


def serve(config: Config) -> None:
    """Run until a signal or a failure. Raises ProcessExit with the exit code that tells why."""
    uvloop.run(run_server(config))


async def run_server(config: Config) -> None:
    """As `serve`, on the running event loop."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    _allow_files(config.net.connections_max + _OTHER_FILES)
    _give_large_blocks_back()
    loop = asyncio.get_running_loop()
    stop = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop, number)
    engine = await Engine.open(config.engine)
    _collect_seldom()
    engine.remote = RestReader()
    logins = Logins(engine.authenticate)
    native, rest = NativeServer(engine, logins, config.net), RestServer(engine, logins, config.net)
    process = config.process
    try:
        _check_password(engine, process.host)
        native_address = await _listen(native, process.host, process.port, "--port")
        rest_address = await _listen(rest, process.host, process.rest_port, "--rest-port")
        print(f"ready native={native_address} rest={rest_address}", flush=True)  # the one line on stdout that scripts wait for
        _log.info("ready on %s (native) and %s (REST), data in %s", native_address, rest_address, config.engine.data_dir)
        await asyncio.wait([stop, engine.stopped], return_when=asyncio.FIRST_COMPLETED)
    except BaseException:
        await engine.close()
        raise
    if engine.stopped.done():
        # What is durable cannot be changed any more: no order is worth waiting for.
        error = engine.stopped.result()
        _log.critical("stopping at once: %s", error)
        await asyncio.sleep(_LAST_WORDS_S)
        os._exit(error.exit_code)
    _log.info("stopping")
    await asyncio.gather(native.stop(), rest.stop())
    await engine.close()
    if engine.stopped.done():
        raise engine.stopped.result()
    _log.info("stopped, everything is applied")


def _collect_seldom() -> None:
    """Look for cycles of garbage seldom, and not among what lives as long as the server.

    What requests leave behind has no cycles. Left to itself the collector would run every few requests, in a hot event loop.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_MAX)


def _give_large_blocks_back() -> None:
    """Have the memory of freed large blocks returned to the system, and that of smaller ones kept, where the C library is glibc.

    Left to itself it raises both thresholds and keeps what the batches of a bulk load took in each thread: hundreds of MiB. With the first
    alone set it keeps 128 KiB, and each exact search gets its pages anew from the system, which took half of its time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _allow_files(wanted: int) -> None:
    """Shells allow a process 1,024 open files, fewer than the connections that are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft != resource.RLIM_INFINITY and soft < wanted:
        _log.warning("the system allows %d open files; %d would be needed for all connections: raise its limit (ulimit -Hn)", soft, wanted)


def _on_signal(stop: asyncio.Future[None], number: int) -> None:
    """The first signal stops in order, the second at once; then the next start recovers."""
    if stop.done():
        os._exit(128 + number)
    stop.set_result(None)


async def _listen(server: NativeServer | RestServer, host: str, port: int, flag: str) -> str:
    try:
        bound, actual = await server.start(host, port)
    except socket.gaierror as error:
        raise ConfigurationError(f"host {host!r} is no address of this machine: {error.strerror}") from error
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {error.strerror}"
        raise DataDirectoryBusy(f"{reason}; choose another {flag}, or 0 for any free one") from error
    return f"[{bound}]:{actual}" if ":" in bound else f"{bound}:{actual}"


def _check_password(engine: Engine, host: str) -> None:
    """The password that everybody knows is for loopback only."""
    if not engine.has_default_password:
        return
    if not _is_loopback(host):
        raise ConfigurationError(
            f"refusing to listen on {host}: user {SUPERUSER!r} still has the password that everybody knows. Set another, either with\n"
            f"    HIPPOD_PASSWORD=... hippod serve ...\n"
            f"or with a file that only you can read:\n"
            f"    hippod serve --password-file FILE ..."
        )
    _log.warning("user %r has the default password; set HIPPOD_PASSWORD or --password-file to change it", SUPERUSER)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
