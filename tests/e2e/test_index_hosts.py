"""Searches and writes while an index trains and while its host is killed: every answer is right, every acknowledged row is found."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from hippod.testing import ServerProcess
from hippod_client import DataType, Field
from hippod_client.sync import Client

DIMENSION = 16
LEAVES = 20
PATIENCE_S = 60.0
ALL_LEAVES = {"nprobe": LEAVES, "reorder": 1_000}


def vectors(first: int, count: int) -> npt.NDArray[np.float32]:
    """The vectors that belong to the keys from `first` on."""
    return np.stack([np.random.default_rng(key).standard_normal(DIMENSION, dtype=np.float32) for key in range(first, first + count)])


def insert(client: Client, first: int, count: int) -> None:
    client.insert("t", {"id": np.arange(first, first + count), "v": vectors(first, count)}).raise_for_failures()


@pytest.fixture(params=[1, 3], ids=["one tablet", "three tablets"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A table of 6,000 rows with an index that is not active yet."""
    fields = [Field("id", DataType.INT64, primary_key=True), Field("v", DataType.FLOAT_VECTOR, dimension=DIMENSION)]
    with ServerProcess(tmp_path / "data", environment={"HIPPOD_INDEX_TRAIN_ROWS_MIN": "1000"}) as made:
        with Client(made.host, made.port) as client:
            client.create_table("t", fields, tablets=request.param)
            for first in range(0, 6_000, 1_000):
                insert(client, first, 1_000)
            client.create_index("t", "ix", "v", type="IVF_FLAT", params={"nlist": LEAVES})
        yield made


class Load:
    """Threads that search for rows that are there, and one that inserts and searches for what it inserted, until the end."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._stop = threading.Event()
        self.faults: list[str] = []
        self.searches = 0
        self.last_key = 6_000

    def search(self, seed: int) -> None:
        choose = np.random.default_rng(seed)
        with Client(self._server.host, self._server.port, timeout=PATIENCE_S) as client:
            while not self._stop.is_set():
                self.expect(client, int(choose.integers(6_000)))
                self.searches += 1

    def write(self) -> None:
        with Client(self._server.host, self._server.port, timeout=PATIENCE_S) as client:
            while not self._stop.is_set():
                insert(client, self.last_key, 5)
                self.last_key += 5
                self.expect(client, self.last_key - 1)

    def expect(self, client: Client, key: int) -> None:
        """The row with this key is the nearest to its own vector, and the others follow by distance."""
        (hits,) = client.search("t", vectors(key, 1), 5, params=ALL_LEAVES)
        if hits.ids.tolist()[0] != key or hits.scores[0] > 1e-3 or len(hits) != 5 or (np.diff(hits.scores) < 0).any():
            self.faults.append(f"key {key}: {hits.ids.tolist()} at {hits.scores.tolist()}")

    def _carefully(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception as error:
            self.faults.append(repr(error))

    @contextmanager
    def running(self) -> Iterator[None]:
        work: list[tuple[Any, ...]] = [(self.search, 1), (self.search, 2), (self.write,)]
        threads = [threading.Thread(target=self._carefully, args=each) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(PATIENCE_S)
        assert self.faults == []
        assert self.searches > 0
        with Client(self._server.host, self._server.port) as client:
            assert client.count("t") == self.last_key
            result = client.search("t", vectors(self.last_key - 100, 100), 1, params=ALL_LEAVES)
            assert result.ids.tolist() == list(range(self.last_key - 100, self.last_key))


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_a_table_is_searched_and_written_while_its_index_trains(server: ServerProcess) -> None:
    load = Load(server)
    with Client(server.host, server.port) as client:
        job = client.activate_index("t", "ix", wait=False)
        load.expect(client, 17)
        with load.running():
            wait_until(lambda: client.get_job(job.id).has_ended)
            assert client.get_job(job.id).status == "succeeded"
            client.rebuild_index("t", "ix")
            searched = load.searches
            wait_until(lambda: load.searches > searched + 50)
            (index,) = client.list_indexes("t")
            assert (index.state, index.engine.startswith("exact")) == ("active", False)


def test_an_index_that_is_being_built_is_not_built_a_second_time_at_once(server: ServerProcess) -> None:
    with Client(server.host, server.port) as client:
        first, second = (client.activate_index("t", "ix", wait=False) for _ in range(2))
        wait_until(lambda: client.get_job(first.id).has_ended and client.get_job(second.id).has_ended)
        assert client.get_job(first.id).status == "succeeded"
        assert (client.get_job(second.id).status, "already" in (client.get_job(second.id).error or "")) == ("failed", True)
        Load(server).expect(client, 17)


def kill_host_and_wait(server: ServerProcess, client: Client, load: Load) -> None:
    """Until another host serves the index, and searches and writes have gone on."""
    hosts = psutil.Process(server.pid).children()
    host = hosts[0]
    searched, written = load.searches, load.last_key
    host.kill()

    def is_back() -> bool:
        (index,) = client.list_indexes("t")
        others = [child for child in psutil.Process(server.pid).children() if child.pid != host.pid]
        return len(others) == len(hosts) and not index.engine.startswith("exact")

    wait_until(is_back)
    wait_until(lambda: load.searches > searched + 20 and load.last_key > written)


def kill_many_hosts(server: ServerProcess, kills: int) -> None:
    load = Load(server)
    with Client(server.host, server.port) as client:
        client.activate_index("t", "ix")
        with load.running():
            for _ in range(kills):
                kill_host_and_wait(server, client, load)
        assert "died; searches are exact until it is back" in server.log
        server.kill()
        server.start()
    with Client(server.host, server.port) as client:
        assert client.count("t") == load.last_key


def test_a_host_that_is_killed_under_load_costs_no_answer_and_is_back_by_itself(server: ServerProcess) -> None:
    kill_many_hosts(server, 3)


@pytest.mark.soak
def test_a_hundred_hosts_that_are_killed_cost_no_answer(server: ServerProcess) -> None:
    kill_many_hosts(server, 100)


def is_trained(client: Client) -> bool:
    return not client.list_indexes("t")[0].engine.startswith("exact")


def test_a_server_that_is_killed_while_an_index_trains_starts_with_all_rows_and_trains_again(server: ServerProcess) -> None:
    with Client(server.host, server.port) as client:
        client.activate_index("t", "ix", wait=False)
        wait_until(lambda: bool(psutil.Process(server.pid).children()))
    server.kill()
    server.start()
    with Client(server.host, server.port) as client:
        assert client.count("t") == 6_000
        client.activate_index("t", "ix")
        wait_until(lambda: is_trained(client))
        Load(server).expect(client, 17)


def test_a_saved_index_that_is_damaged_is_trained_again_while_searches_are_exact(server: ServerProcess) -> None:
    load = Load(server)
    with Client(server.host, server.port) as client:
        client.activate_index("t", "ix")
    assert server.terminate() == 0
    files = [path for path in (server.data_dir / "index").rglob("*") if path.is_file()]
    assert files
    for path in files:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    server.start()
    with Client(server.host, server.port) as client:
        for key in range(0, 6_000, 500):
            load.expect(client, key)
        wait_until(lambda: is_trained(client))
        for key in range(0, 6_000, 500):
            load.expect(client, key)
    assert load.faults == []
