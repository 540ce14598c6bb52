"""What the server keeps of a bulk load is the table, not what passed through."""

from __future__ import annotations

import platform
import time
from pathlib import Path

import numpy as np
import pytest

from hippod.testing import ServerProcess
from hippod_client import DataType, Field
from hippod_client.sync import Client

BATCHES = 20
BATCH_ROWS = 5_000
# A server without tables has about 30 MiB; the rows below need 4 MiB beside their vectors, which lie in a file.
KEPT_MIB_MAX = 100
# For the store to take everything.
PATIENCE_S = 20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide for themselves what they keep")
def test_memory_of_a_bulk_load_is_given_back(tmp_path: Path) -> None:
    fields = [Field("id", DataType.INT64, primary_key=True), Field("v", DataType.FLOAT_VECTOR, dimension=128)]
    vectors = np.random.default_rng(1).standard_normal((BATCH_ROWS, 128), dtype=np.float32)
    with ServerProcess(tmp_path / "data") as server, Client(server.host, server.port) as client:
        client.create_table("t", fields)
        for batch in range(BATCHES):
            client.insert("t", {"id": np.arange(BATCH_ROWS) + batch * BATCH_ROWS, "v": vectors})
        until = time.monotonic() + PATIENCE_S
        while private_mib(server.pid) > KEPT_MIB_MAX and time.monotonic() < until:
            time.sleep(0.05)
        assert private_mib(server.pid) <= KEPT_MIB_MAX


def private_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1_024
