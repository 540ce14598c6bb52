"""What a host does with the index that it has trained, without a process around it."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from hippod.engine.index import engines
from hippod.engine.index.exact import Hits
from hippod.engine.index.host import Host
from hippod.engine.index.protocol import FileTask, HostSetup, Kind, Reassembly, TrainTask, decode_found, encode_search
from hippod.engine.index.rescore import Rescorer
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


@contextmanager
def _host(directory: Path, kind: str) -> Iterator[tuple[npt.NDArray[np.float32], Host, socket.socket]]:
    """Rows, a host that has an index over them, and the server's end of its socket."""
    rows = np.random.default_rng(3).standard_normal((ROWS, 16), dtype=np.float32)
    vectors = VectorFile(directory / "vectors", 16)
    vectors.write(0, rows)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        host = Host(theirs)
        host._task(Kind.OPEN, msgspec.json.encode(HostSetup(str(vectors.path), 16, "float32", "l2")))
        host._sent_slots.append(np.arange(ROWS))
        host._task(Kind.TRAIN, msgspec.json.encode(TrainTask(IndexSpec.of(kind, "l2", {"nlist": 20}, floats(16)).candidates(ROWS), 1)))
        yield rows, host, ours
    vectors.close()


def _answers(host: Host, ours: socket.socket, searches: Sequence[npt.NDArray[np.float32]], effort: int) -> list[tuple[Hits, bool]]:
    """What the host answers to searches for the 10 best, of 700 candidates, that were all sent before it began."""
    reassembly = Reassembly()
    answers: dict[int, tuple[Hits, bool]] = {}
    for ident, queries in enumerate(searches):
        ours.sendall(encode_search(ident, len(queries), 10, effort, 700, [queries]))
    serving = threading.Thread(target=host.run, name="serving")
    serving.start()
    while len(answers) < len(searches):
        for header, body in reassembly.feed(ours.recv(1 << 20)):
            if header.kind == Kind.FOUND:
                answers[header.ident] = decode_found(header, body), header.short != 0
    ours.shutdown(socket.SHUT_RDWR)
    serving.join()
    return [answers[ident] for ident in range(len(searches))]


@pytest.mark.parametrize("kind", ["IVF_PQ_FS", "IVF_FLAT"])
def test_the_candidates_of_large_batches_are_scored_beside_and_found_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    scored_by, score = [], Rescorer.scores

    def watched(*arguments: Any) -> Any:
        scored_by.append((len(arguments[1]), threading.current_thread().name.split("_")[0]))
        return score(*arguments)

    with _host(tmp_path, kind) as (rows, host, ours):
        part = host._part
        assert part is not None
        searches = [rows[at : at + 100] for at in range(0, 500, 100)] + [rows[at : at + 3] for at in range(5)]
        wanted = [part.search(queries, 10, 5, 700)[0] for queries in searches]
        monkeypatch.setattr(Rescorer, "scores", watched)
        answers = _answers(host, ours, searches, 5)
    for (found, is_short), hits in zip(answers, wanted, strict=True):
        assert not is_short
        assert np.array_equal(found.slots, hits.slots)
        assert np.allclose(found.scores, hits.scores, rtol=1e-5, atol=1e-5)
    if kind == "IVF_PQ_FS":
        assert {thread for queries, thread in scored_by if queries == 100} == {"scoring"}
        assert {thread for queries, thread in scored_by if queries < 100} == {"serving"}
    else:
        assert not scored_by


def test_a_batch_whose_scoring_fails_is_left_to_the_server_and_the_next_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures, score = [1], Rescorer.scores

    def failing_once(*arguments: Any) -> Any:
        if failures:
            failures.clear()
            raise MemoryError
        return score(*arguments)

    with _host(tmp_path, "IVF_PQ_FS") as (rows, host, ours):
        monkeypatch.setattr(Rescorer, "scores", failing_once)
        (lost, is_lost_short), (kept, is_kept_short) = _answers(host, ours, [rows[:100], rows[:100]], 20)
    assert is_lost_short
    assert not lost.counts.any()
    assert not is_kept_short
    assert kept.slots[:, 0].tolist() == list(range(100))


def _nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
