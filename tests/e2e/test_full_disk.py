"""A disk that is full or fails: what is acknowledged stays, reads go on, nothing is acknowledged that is not there, and it recovers.

The disk is a small tmpfs, which only root may mount; failing syncs are injected with strace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hippod.testing import ServerFailed, ServerProcess
from hippod_client import DataType, Field, HippodError
from hippod_client.errors import StorageFull
from hippod_client.sync import Client

MIB = 1 << 20
DISK_BYTES = 48 * MIB
DIMENSION = 256
PATIENCE_S = 30.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system of its own, of DISK_BYTES."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs rights that are missing here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


class Ballast:
    """A file that takes the space of others."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "ballast"

    def leave(self, free_bytes: int) -> None:
        """Take all space but so much."""
        now = os.statvfs(self._disk)
        with self._file.open("ab") as out:
            out.write(bytes(max(0, now.f_bavail * now.f_frsize - free_bytes)))

    def remove(self) -> None:
        self._file.unlink()


class Writer:
    """Inserts batches of ten rows; `sure` and `unknown` are the keys of those acknowledged, and of those of which nothing is known."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._next = 0
        self.sure: set[int] = set()
        self.unknown: set[int] = set()

    def create(self) -> None:
        with Client(self._server.host, self._server.port) as client:
            client.create_table(
                "t", [Field("id", DataType.INT64, primary_key=True), Field("v", DataType.FLOAT_VECTOR, dimension=DIMENSION)]
            )
            client.create_index("t", "ix", "v", type="FLAT")
            client.activate_index("t", "ix")

    def insert(self, client: Client) -> None:
        keys = range(self._next, self._next + 10)
        self._next += 10
        try:
            client.insert("t", {"id": list(keys), "v": np.repeat(np.array(keys, np.float32), DIMENSION).reshape(10, DIMENSION)})
        except HippodError as error:
            if error.outcome_unknown:
                self.unknown |= set(keys)
            raise
        self.sure |= set(keys)

    def insert_until_refused(self, client: Client) -> HippodError:
        while True:
            try:
                self.insert(client)
            except HippodError as error:
                return error

    def check(self, client: Client) -> None:
        """All rows are there that must be, none that must not be, and they are found."""
        found = set(client.query("t", "", ["id"], limit=100_000).column("id").tolist())
        assert self.sure <= found <= self.sure | self.unknown
        some = max(self.sure)
        assert client.search("t", np.full((1, DIMENSION), some, np.float32), 1).ids.tolist() == [some]

    def check_after_restart(self) -> None:
        """The same from what is on the disk, whether the server has ended by itself or is killed here; and it takes writes."""
        self._server.kill()
        self._server.start()
        with Client(self._server.host, self._server.port) as client:
            self.check(client)
            self.insert(client)
            self.check(client)


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def test_before_the_disk_is_full_the_server_turns_read_only_and_back(disk: Path) -> None:
    ballast = Ballast(disk)
    with ServerProcess(disk / "data", environment={"HIPPOD_ENGINE_FREE_BYTES_MIN": str(8 * MIB)}) as server:
        writer = Writer(server)
        writer.create()
        with Client(server.host, server.port) as client:
            for _ in range(20):
                writer.insert(client)
            ballast.leave(6 * MIB)
            wait_until(lambda: client.status().mode == "read-only")
            for _ in range(3):
                with pytest.raises(StorageFull, match="almost full"):
                    writer.insert(client)
            writer.check(client)
            assert client.delete("t", [0, 1]).count == 2
            writer.sure -= {0, 1}
            ballast.remove()
            wait_until(lambda: client.status().mode == "ready")
            writer.insert(client)
            writer.check(client)
        writer.check_after_restart()


def test_a_log_without_space_refuses_writes_and_goes_on_when_there_is_some(disk: Path) -> None:
    ballast = Ballast(disk)
    environment = {"HIPPOD_ENGINE_FREE_BYTES_MIN": "0", "HIPPOD_ENGINE_CHECKPOINT_INTERVAL_S": "3600"}
    with ServerProcess(disk / "data", environment=environment) as server:
        writer = Writer(server)
        writer.create()
        with Client(server.host, server.port) as client:
            writer.insert(client)
            ballast.leave(MIB // 2)
            for _ in range(3):
                assert isinstance(writer.insert_until_refused(client), StorageFull)
                writer.check(client)
            ballast.remove()
            writer.insert(client)
            writer.check(client)
        writer.check_after_restart()


def test_a_store_without_space_ends_the_server_and_the_log_has_everything(disk: Path) -> None:
    """The log takes what space there is before the first checkpoint, which then finds none."""
    ballast = Ballast(disk)
    environment = {"HIPPOD_ENGINE_FREE_BYTES_MIN": "0", "HIPPOD_ENGINE_CHECKPOINT_INTERVAL_S": "2"}
    with ServerProcess(disk / "data", environment=environment) as server:
        writer = Writer(server)
        writer.create()
        ballast.leave(2 * MIB)
        with Client(server.host, server.port, timeout=5) as client:
            writer.insert_until_refused(client)
            assert server.process.wait(PATIENCE_S) == 74
        assert "stopping at once" in server.log
        with pytest.raises(ServerFailed) as raised:
            server.start()
        assert raised.value.exit_code == 74
        assert "Traceback" not in server.log
        ballast.remove()
        writer.check_after_restart()


def test_a_sync_that_fails_ends_the_server_at_once_and_nothing_was_acknowledged_in_vain(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", environment={"HIPPOD_ENGINE_CHECKPOINT_INTERVAL_S": "3600"}) as server:
        writer = Writer(server)
        writer.create()
        with Client(server.host, server.port, timeout=5) as client:
            for _ in range(5):
                writer.insert(client)
            with failing_syncs(server):
                error = writer.insert_until_refused(client)
                assert error.outcome_unknown
                assert server.process.wait(PATIENCE_S) == 74
        writer.check_after_restart()


def failing_syncs(server: ServerProcess) -> subprocess.Popen[bytes]:
    """From now on every sync of the server fails with EIO; a context manager that ends with the server."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO", "-p", str(server.pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    until = time.monotonic() + PATIENCE_S
    while f"TracerPid:\t{tracer.pid}" not in Path(f"/proc/{server.pid}/status").read_text():
        if tracer.poll() is not None:
            pytest.skip("tracing needs rights that are missing here")
        assert time.monotonic() < until
        time.sleep(0.01)
    return tracer


def test_without_any_space_a_start_ends_with_the_reason_and_harms_nothing(disk: Path) -> None:
    ballast = Ballast(disk)
    with ServerProcess(disk / "data", environment={"HIPPOD_ENGINE_FREE_BYTES_MIN": "0"}) as server:
        writer = Writer(server)
        writer.create()
        with Client(server.host, server.port) as client:
            writer.insert(client)
        assert server.terminate() == 0
        ballast.leave(0)
        with pytest.raises(ServerFailed, match="no space") as raised:
            server.start()
        assert raised.value.exit_code == 74
        assert "Traceback" not in server.log
        ballast.remove()
        writer.check_after_restart()


def test_with_little_space_a_start_is_read_only(disk: Path) -> None:
    ballast = Ballast(disk)
    with ServerProcess(disk / "data", environment={"HIPPOD_ENGINE_FREE_BYTES_MIN": str(8 * MIB)}) as server:
        writer = Writer(server)
        writer.create()
        with Client(server.host, server.port) as client:
            writer.insert(client)
        server.kill()
        ballast.leave(4 * MIB)
        for _ in range(3):
            server.start()
            with Client(server.host, server.port) as client:
                wait_until(lambda: client.status().mode == "read-only")
                writer.check(client)
                with pytest.raises(StorageFull):
                    writer.insert(client)
            server.kill()
