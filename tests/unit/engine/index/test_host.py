"""What a host does with the index that it has trained, without a process around it."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hippod.engine.index import engines
from hippod.engine.index.host import Host
from hippod.engine.index.protocol import FileTask, HostSetup, Kind, TrainTask
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.vectors import VectorFile
from tests.unit.engine.index.subject import floats

ROWS = 2_000


@pytest.mark.parametrize(("kind", "is_read_again"), [("IVF_PQ_FS", True), ("IVF_SQ", True), ("HNSW", False)])
def test_what_training_left_scattered_is_served_from_what_was_saved_and_finds_the_same(
    tmp_path: Path, kind: str, *, is_read_again: bool
) -> None:
    rows = np.random.default_rng(3).standard_normal((ROWS, 16), dtype=np.float32)
    vectors = VectorFile(tmp_path / "vectors", 16)
    vectors.write(0, rows)
    spec = IndexSpec.of(kind, "l2", {"nlist": 20}, floats(16))
    saved = [tmp_path / "first", tmp_path / "second"]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        host = Host(theirs)
        host._task(Kind.OPEN, msgspec.json.encode(HostSetup(str(vectors.path), 16, "float32", "l2")))
        host._sent_slots.append(np.arange(ROWS))
        host._task(Kind.TRAIN, msgspec.json.encode(TrainTask(spec.candidates(ROWS), 1)))
        part = host._part
        assert part is not None
        trained, (found, _) = part._index, part.search(rows[:50], 10, 15, 100)
        for directory in saved:
            directory.mkdir()
            host._task(Kind.SAVE, msgspec.json.encode(FileTask(str(directory))))
            again, _ = part.search(rows[:50], 10, 15, 100)
            assert np.array_equal(again.slots, found.slots)
            assert (part._index is not trained) is is_read_again
            trained, is_read_again = part._index, False
    vectors.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only there does a thread have a priority of its own")
def test_training_stands_back_and_the_thread_that_answers_searches_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, trained_at, train = _nice(), [], engines.train

    def watched(*arguments: Any) -> Any:
        trained_at.append(_nice())
        return train(*arguments)

    monkeypatch.setattr(engines, "train", watched)
    vectors = VectorFile(tmp_path / "vectors", 16)
    vectors.write(0, np.random.default_rng(3).standard_normal((ROWS, 16), dtype=np.float32))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        host = Host(theirs)
        host._task(Kind.OPEN, msgspec.json.encode(HostSetup(str(vectors.path), 16, "float32", "l2")))
        host._sent_slots.append(np.arange(ROWS))
        host._task(Kind.TRAIN, msgspec.json.encode(TrainTask(IndexSpec.of("IVF_SQ", "l2", {"nlist": 20}, floats(16)).candidates(ROWS), 1)))
    vectors.close()
    assert trained_at == [max(usual, 10)]
    assert _nice() == usual


def _nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
