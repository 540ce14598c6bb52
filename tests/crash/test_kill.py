"""kill -9 at any moment: every acknowledged write is there, no half batch, nothing from nowhere.

Clients write numbered batches and keep what was acknowledged. After each kill the rows must be those of the acknowledged operations,
and of those without an answer either all or nothing.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from hippod.testing import ServerProcess
from hippod_client import DataType, Field, HippodError
from hippod_client.sync import Client

DIMENSION = 8
CLIENTS = 3
KEYS = 60


def vector(version: int) -> npt.NDArray[np.float32]:
    """The vector that belongs to a version."""
    return np.random.default_rng(version).standard_normal(DIMENSION, dtype=np.float32)


@dataclass
class History:
    """What one client did to its own keys: `sure` is acknowledged; of `open` (one batch: key -> version, 0 for deleted) it is unknown
    whether it was applied, but all of it has one fate."""

    sure: dict[int, int] = field(default_factory=dict)
    open: dict[int, int] | None = None

    def settle(self, found: dict[int, int]) -> None:
        """Compare with what is there and go on from it."""
        with_open = {key: version for key, version in {**self.sure, **(self.open or {})}.items() if version}
        without = {key: version for key, version in self.sure.items() if version}
        assert found in (without, with_open), f"neither {without} nor {with_open}, but {found}"
        self.sure, self.open = dict(found), None


def write_until_killed(server: ServerProcess, number: int, history: History, versions: list[int], stop: threading.Event) -> None:
    """One client at work; ends when the server is gone."""
    choose = random.Random(versions[number])
    try:
        with Client(server.host, server.port, timeout=20) as client:
            while not stop.is_set():
                keys = sorted(choose.sample(range(number * KEYS, (number + 1) * KEYS), choose.randint(1, 12)))
                versions[number] += 1
                version = versions[number]
                if choose.random() < 0.25:
                    history.open = dict.fromkeys(keys, 0)
                    client.delete("t", keys)
                else:
                    history.open = dict.fromkeys(keys, version)
                    client.upsert("t", {"id": keys, "version": [version] * len(keys), "v": np.tile(vector(version), (len(keys), 1))})
                history.sure.update(history.open)
                history.open = None
    except HippodError:
        return


def rows_of(client: Client, number: int) -> dict[int, int]:
    """What the server has of one client's keys; the vector of each row must be of its version."""
    found = client.query("t", f"id >= {number * KEYS} and id < {(number + 1) * KEYS}", ["id", "version", "v"])
    for row_vector, version in zip(found.column("v"), found.column("version"), strict=True):
        assert np.array_equal(row_vector, vector(int(version)))
    return dict(zip(found.column("id").tolist(), found.column("version").tolist(), strict=True))


def kill_many_times(tmp_path: Path, kills: int, seed: int, *, tablets: int = 1, index_type: str = "FLAT", longest_s: float = 0.15) -> None:
    """The server is killed 10 ms to `longest_s` after each start. An `index_type` other than FLAT is trained in a process of its own,
    over and over, as rows come and go."""
    print(f"seed {seed}")
    choose = random.Random(seed)
    histories = [History() for _ in range(CLIENTS)]
    versions = [seed * 1_000_000 + i for i in range(CLIENTS)]
    environment = {"HIPPOD_ENGINE_CHECKPOINT_INTERVAL_S": "0.05", "HIPPOD_INDEX_TRAIN_ROWS_MIN": "20"}
    server = ServerProcess(tmp_path / "data", environment=environment)
    with server:
        with Client(server.host, server.port) as client:
            client.create_table(
                "t",
                [
                    Field("id", DataType.INT64, primary_key=True),
                    Field("version", DataType.INT64),
                    Field("v", DataType.FLOAT_VECTOR, dimension=DIMENSION),
                ],
                tablets=tablets,
            )
            client.create_index("t", "ix", "v", type=index_type)
            client.activate_index("t", "ix")
        for _ in range(kills):
            stop = threading.Event()
            arguments = [(server, number, histories[number], versions, stop) for number in range(CLIENTS)]
            writers = [threading.Thread(target=write_until_killed, args=each) for each in arguments]
            for writer in writers:
                writer.start()
            time.sleep(choose.uniform(0.01, longest_s))
            server.kill()
            stop.set()
            for writer in writers:
                writer.join(30)
            server.start()
            with Client(server.host, server.port) as client:
                for number, history in enumerate(histories):
                    history.settle(rows_of(client, number))
                assert client.count("t") == sum(len(history.sure) for history in histories)
                present = {key: version for history in histories for key, version in history.sure.items()}
                if present:
                    wanted = choose.choice(sorted(present.values()))
                    (nearest,) = client.search("t", vector(wanted), 1, params={"nprobe": 1_000, "reorder": 1_000}).ids.tolist()
                    assert present[nearest] == wanted
        assert sum(len(history.sure) for history in histories) > 0
        assert server.terminate() == 0


@pytest.mark.timeout(280)
def test_fifty_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    kill_many_times(tmp_path, kills=50, seed=random.randrange(1_000_000))


def test_kills_while_trained_indexes_of_several_tablets_come_and_go_lose_nothing(tmp_path: Path) -> None:
    kill_many_times(tmp_path, kills=5, seed=random.randrange(1_000_000), tablets=3, index_type="IVF_FLAT", longest_s=1.0)


@pytest.mark.soak
@pytest.mark.parametrize("index_type", ["IVF_FLAT", "HNSW"])
def test_hundreds_of_kills_with_trained_indexes_lose_nothing(tmp_path: Path, index_type: str) -> None:
    kill_many_times(tmp_path, kills=300, seed=random.randrange(1_000_000), tablets=3, index_type=index_type, longest_s=1.0)


@pytest.mark.soak
def test_a_thousand_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    kill_many_times(tmp_path, kills=1_000, seed=random.randrange(1_000_000))
