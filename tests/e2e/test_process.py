"""The server as a process: its one line on stdout, its exit codes, its refusals, its stop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hippod.testing import ServerFailed, ServerProcess
from hippod_client import DataType, Field
from hippod_client.errors import AuthenticationFailed
from hippod_client.sync import Client

FIELDS = [Field("id", DataType.INT64, primary_key=True), Field("v", DataType.FLOAT_VECTOR, dimension=4)]


def hippod(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hippod", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}, check=False)


def fill(server: ServerProcess, rows: int = 10) -> None:
    with Client(server.host, server.port) as client:
        client.create_table("t", FIELDS)
        client.insert("t", {"id": np.arange(rows), "v": np.eye(rows, 4, dtype=np.float32)})


def count(server: ServerProcess) -> int:
    with Client(server.host, server.port) as client:
        return client.count("t")


def test_sigterm_stops_in_order_and_the_next_start_has_everything(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        fill(server)
        assert server.terminate() == 0
        assert hippod("check", str(tmp_path / "data")).returncode == 0
        server.start()
        assert count(server) == 10
        assert "WARNING" in server.log
        assert "default password" in server.log


def test_a_second_server_on_the_directory_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as first:
        fill(first)
        with pytest.raises(ServerFailed) as raised:
            ServerProcess(tmp_path / "data").start()
        assert raised.value.exit_code == 73
        assert "in use by another process" in str(raised.value)
        assert hippod("check", str(tmp_path / "data")).returncode == 73
        assert count(first) == 10


def test_a_port_in_use_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "one") as first:
        refused = hippod("serve", "--data-dir", str(tmp_path / "two"), "--port", str(first.port))
        assert refused.returncode == 73
        assert "choose another --port" in refused.stderr


def test_the_well_known_password_is_refused_beyond_loopback(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    refused = hippod("serve", "--data-dir", data, "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 78
    assert "HIPPOD_PASSWORD" in refused.stderr
    assert "--password-file" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize("way", ["environment", "file"])
def test_another_password_opens_every_address(tmp_path: Path, way: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("long and good\n")
    secret.chmod(0o600)
    environment = {"HIPPOD_PASSWORD": "long and good"} if way == "environment" else {"HIPPOD_PASSWORD_FILE": str(secret)}
    with ServerProcess(tmp_path / "data", "--host", "0.0.0.0", environment=environment) as server:
        with Client("127.0.0.1", server.port, password="long and good") as client:
            assert client.status().mode == "ready"
        with pytest.raises(AuthenticationFailed, match="wrong user or password"):
            Client("127.0.0.1", server.port).connect()
        assert "long and good" not in server.log


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["serve"], 64, "--data-dir"),
        (["serve", "--prot", "1"], 64, "unrecognized arguments"),
        (["serve", "--data-dir", "x", "--port", "many"], 78, "port is a number"),
        (["serve", "--data-dir", "x", "--port", "70000"], 78, "0 (any free one) to 65535"),
        (["serve", "--data-dir", "/nowhere/at/all"], 73, "No such file"),
        (["serve", "--data-dir", "x", "--config", "/nowhere.toml"], 78, "cannot read"),
        (["check", "/tmp"], 64, "no data directory"),
        ([], 64, "COMMAND"),
    ],
)
def test_wrong_usage_ends_with_its_code_and_words(arguments: list[str], code: int, words: str) -> None:
    ended = hippod(*arguments)
    assert (ended.returncode, words in ended.stderr) == (code, True), ended.stderr
    assert ended.stdout == ""


def test_help_teaches() -> None:
    for arguments in (["--help"], ["serve", "--help"], ["check", "--help"], ["wal", "--help"], ["check-config", "--help"]):
        ended = hippod(*arguments)
        assert ended.returncode == 0
        assert len(ended.stdout.splitlines()) > 5


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refused = hippod("serve", "--data-dir", str(tmp_path / "data"), "--port", "0")
    tmp_path.chmod(0o700)
    assert refused.returncode == 77


def damaged_start(tmp_path: Path, pattern: str) -> str:
    """Fill, stop, flip a bit in the middle of a file, start: the message of the refusal."""
    data = tmp_path / "data"
    with ServerProcess(data) as server:
        fill(server)
        server.kill()
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    victim = next(iter(copy.glob(pattern)))
    content = bytearray(victim.read_bytes())
    content[100] ^= 1
    victim.write_bytes(content)
    checked = hippod("check", str(copy))
    assert checked.returncode == 65, checked.stdout
    with pytest.raises(ServerFailed) as raised, ServerProcess(copy):
        pass
    assert raised.value.exit_code == 65
    return str(raised.value)


def test_a_damaged_log_is_refused_with_its_place(tmp_path: Path) -> None:
    message = damaged_start(tmp_path, "wal/*.wal")
    assert "0000000000000001.wal" in message
    assert "offset" in message


def test_the_log_is_printed_for_people(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        fill(server)
        server.terminate()
    printed = hippod("wal", str(tmp_path / "data"))
    assert printed.returncode == 0
    assert "rows table 1 tablet 0: 10 put (row_ids 1..10)" in printed.stdout
    assert "clean stop" in printed.stdout


def test_an_index_host_dies_with_its_server(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", environment={"HIPPOD_INDEX_TRAIN_ROWS_MIN": "100"}) as server:
        with Client(server.host, server.port) as client:
            client.create_table("t", FIELDS)
            vectors = np.random.default_rng(0).standard_normal((2_000, 4), dtype=np.float32)
            client.insert("t", {"id": np.arange(2_000), "v": vectors})
            client.create_index("t", "ix", "v")
            client.activate_index("t", "ix")
            assert client.status().index_hosts == 1
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        assert len(children) == 1
        server.kill()
        for _ in range(200):
            if not Path(f"/proc/{children[0]}").exists():
                break
            signal.sigtimedwait([], 0.02)
        assert not Path(f"/proc/{children[0]}").exists()
