"""The index host: a child process that trains, loads and serves one index for the server, over the socket it was given.

One loop: take every message that has arrived (changes take effect at once, searches line up), answer one batch of searches,
then perhaps do a bounded step of housekeeping, and only wait when there is nothing left to do. So a search waits for at most
one other batch of its size and one step of housekeeping. Only one thread touches the index. A second one scores the candidates
of large batches by the vectors and sends those answers, while the index is searched for the next: a fifth more of them.

The process ends when its socket closes, that is, when the server ended in whatever way.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from hippod.engine.index import engines
from hippod.engine.index.batch_size import BatchSize
from hippod.engine.index.choice import choose
from hippod.engine.index.exact import Hits, Mask
from hippod.engine.index.known_filters import KnownFilters
from hippod.engine.index.look_out import LookOut
from hippod.engine.index.protocol import (
    Built,
    FileTask,
    Header,
    HostSetup,
    Kind,
    Reassembly,
    TrainTask,
    encode,
    encode_found,
)
from hippod.engine.index.recipe import Recipe
from hippod.engine.index.saved import read_manifest
from hippod.engine.index.trained import TrainedPart
from hippod.engine.index.vectors import MappedVectors, Slots, Vectors
from hippod.engine.operations.indexes import Metric
from hippod.scheduling import run_in_background, run_soon

_RECEIVE_BYTES: Final = 1 << 18
_STEP_S: Final = 0.008
_STATUS_INTERVAL_S: Final = 0.05
_LOOK_OUT_S: Final = 0.0004
# Fewer numbers to read for the candidates of a batch are not worth handing it over.
_CELLS_BESIDE_MIN: Final = 1 << 20
_WORK_URGENT_ROWS: Final = 1_024
_WORK_SHARE: Final = 0.4
_PR_SET_PDEATHSIG: Final = 1


class _Waiting(NamedTuple):
    """`mask` is that of the filter in the header, as it was when the search came."""

    header: Header
    queries: Vectors
    mask: Mask | None


class Host:
    """Serves one socket until it closes."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self._reassembly = Reassembly()
        self._searches: deque[_Waiting] = deque()
        self._sent_slots: list[Slots] = []
        self._filters = KnownFilters()
        self._setup: HostSetup | None = None
        self._vectors: MappedVectors | None = None
        self._part: TrainedPart | None = None
        self._scattered: Recipe | None = None
        self._status: tuple[int, int] = (0, 0)
        self._status_at = 0.0
        self._work_allowed_s = 0.0
        self._look_out = LookOut(_LOOK_OUT_S)
        self._batch_size = BatchSize()
        self._sending = threading.Lock()
        self._beside = ThreadPoolExecutor(1, "scoring")
        self._scoring: Future[None] | None = None

    def run(self) -> None:
        """Serve until the server closes the socket."""
        while self._receive(wait=not self._has_work()):
            if self._searches:
                started = time.perf_counter()
                self._answer_batch()
                self._housekeep_under_load(time.perf_counter() - started)
            elif self._part is not None and self._part.has_work:
                self._part.work(_STEP_S)
            self._report()

    def _has_work(self) -> bool:
        return bool(self._searches) or (self._part is not None and self._part.has_work)

    def _receive(self, *, wait: bool) -> bool:
        """Take all that has arrived; False when the server is gone."""
        if wait and self._look_out.seconds:
            wait = not self._comes_soon()
        if wait and self._status_due():
            wait = bool(select.select([self._socket], [], [], _STATUS_INTERVAL_S)[0])
        while True:
            try:
                count = self._socket.recv_into(self._buffer, 0, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            if not count:
                return False
            for header, body in self._reassembly.feed(bytes(self._buffer[:count])):
                self._obey(header, body)
            if count < _RECEIVE_BYTES:
                return True
            wait = False

    def _comes_soon(self) -> bool:
        """Whether something arrives while this looks out."""
        until = self._look_out.begin()
        arrived = False
        while not arrived and time.perf_counter() < until:
            os.sched_yield()
            arrived = bool(select.select([self._socket], [], [], 0)[0])
        self._look_out.end(arrived=arrived)
        return arrived

    def _obey(self, header: Header, body: memoryview) -> None:
        kind = header.kind
        if kind == Kind.SEARCH:
            assert self._setup is not None
            queries = np.frombuffer(body, self._setup.dtype).reshape(header.rows, -1)
            self._searches.append(_Waiting(header, queries, self._filters.mask(header.filter) if header.filter else None))
            return
        part = self._part
        if kind == Kind.SLOTS:
            self._sent_slots.append(np.frombuffer(body, np.int64))
        elif kind == Kind.ADD:
            assert part is not None
            part.add(np.frombuffer(body, np.int64))
        elif kind == Kind.ADD_RANGE:
            assert part is not None
            first, count = np.frombuffer(body, np.int64).tolist()
            part.add(np.arange(first, first + count))
        elif kind == Kind.REMOVE:
            assert part is not None
            part.remove(np.frombuffer(body, np.int64))
        elif kind == Kind.FILTER:
            self._filters.learn(header.ident, header.rows, body)
        elif kind == Kind.FORGET:
            self._filters.forget(header.ident)
        else:
            self._perform(header, bytes(body))

    def _perform(self, header: Header, body: bytes) -> None:
        """A task with an answer of its own."""
        try:
            result = self._task(header.kind, body)
        except Exception as error:
            traceback.print_exc()
            self._send(encode(Kind.FAILED, header.ident, f"{type(error).__name__}: {error}"[:1_000].encode()))
        else:
            self._send(encode(Kind.DONE, header.ident, result))

    def _task(self, kind: int, body: bytes) -> bytes:
        if kind == Kind.COUNT:
            return self._counts()
        if kind == Kind.OPEN:
            self._setup = msgspec.json.decode(body, type=HostSetup)
            self._vectors = MappedVectors(Path(self._setup.vector_file), self._setup.width, self._setup.dtype)
            return b""
        assert self._setup is not None
        assert self._vectors is not None
        metric = Metric(self._setup.metric)
        if kind == Kind.TRAIN:
            task = msgspec.json.decode(body, type=TrainTask)
            # In a thread of its own: one that has stood back can't come forward again, and this one is to answer searches.
            with ThreadPoolExecutor(1, "training", initializer=run_in_background) as background:
                built = background.submit(self._train, task, metric).result()
            result = msgspec.json.encode(built)
        elif kind == Kind.LOAD:
            directory = Path(msgspec.json.decode(body, type=FileTask).directory)
            recipe = read_manifest(directory, check_hashes=True).recipe
            slots = self._take_slots()
            index = engines.load(recipe, directory, metric)
            if index.size != len(slots):
                raise ValueError(f"the saved index has {index.size} rows, its manifest {len(slots)}")
            self._part = TrainedPart(self._vectors, metric, index, slots)
            result = b""
        elif kind == Kind.SAVE:
            assert self._part is not None
            directory = Path(msgspec.json.decode(body, type=FileTask).directory)
            result = self._part.save(directory).tobytes()
            # Training leaves what it built scattered over pages that hold little else, and lists with room to grow: of 1,000,000 x 128,
            # IVF_PQ_FS took 124 MB so, and 38 MB read again. A graph is in few large arrays from the start.
            if self._scattered is not None:
                self._part.renew(engines.load(self._scattered, directory, metric))
                self._scattered = None
        else:
            raise ValueError(f"unknown message kind {kind}")
        _return_free_memory()
        return result

    def _train(self, task: TrainTask, metric: Metric) -> Built:
        """Build what the task says over the slots that were sent."""
        assert self._vectors is not None
        slots = self._take_slots()
        rows = self._vectors.view(int(slots[-1]) + 1)
        dense = int(slots[0]) == 0 and len(slots) == len(rows)
        built = Built(task.candidates[0])
        if len(task.candidates) > 1:
            built = Built(*choose(task.candidates, rows, slots, metric, task.threads))
        if built.recipe is not None:
            index = engines.train(built.recipe, rows if dense else rows[slots], metric, task.threads)
            self._part = TrainedPart(self._vectors, metric, index, slots)
            self._scattered = None if built.recipe.is_graph else built.recipe
        return built

    def _take_slots(self) -> Slots:
        slots = np.concatenate(self._sent_slots) if self._sent_slots else np.empty(0, np.int64)
        self._sent_slots = []
        return slots

    def _answer_batch(self) -> None:
        """Answer the searches like the first that waits, up to the size of a batch, in one call."""
        first = self._searches[0].header
        batch = [self._searches.popleft()]
        rows = first.rows
        others: deque[_Waiting] = deque()
        while self._searches and rows < self._batch_size.queries:
            waiting = self._searches.popleft()
            like = waiting.header[4:9] == first[4:9]
            if like and rows + waiting.header.rows <= self._batch_size.queries:
                batch.append(waiting)
                rows += waiting.header.rows
            else:
                others.append(waiting)
        self._searches.extendleft(reversed(others))
        queries = batch[0].queries if len(batch) == 1 else np.concatenate([waiting.queries for waiting in batch])
        started = time.perf_counter()
        # The mask of the last one is the newest.
        end = self._begin(queries, first, batch[-1].mask)
        headers = [waiting.header for waiting in batch]
        if self._scores_long(queries, first):
            self._await_scoring()
            self._scoring = self._beside.submit(self._end, headers, end)
        else:
            self._end(headers, end)
        self._batch_size.took(rows, time.perf_counter() - started)
        self._look_out.answered(alone=rows == 1)

    def _begin(self, queries: Vectors, like: Header, mask: Mask | None) -> Callable[[], tuple[Hits, bool]]:
        """Do what the index has to do with it; what is returned does the rest, in any thread."""
        try:
            assert self._part is not None
            if mask is None:
                return self._part.begin(queries, like.k, like.effort, like.reorder)
            matching = self._part.search_matching(queries, like.k, like.effort, like.reorder, like.depth, mask)
        except Exception:
            traceback.print_exc()
            return lambda: _nothing(len(queries), like.k)
        return lambda: (matching, False)

    def _end(self, headers: Sequence[Header], end: Callable[[], tuple[Hits, bool]]) -> None:
        """Send the answers to searches that went together; nothing, and `short`, where that fails: the server then answers exactly."""
        try:
            hits, short = end()
        except Exception:
            traceback.print_exc()
            hits, short = _nothing(sum(header.rows for header in headers), headers[0].k)
        answers, at = [], 0
        for header in headers:
            stop = at + header.rows
            answers.append(encode_found(header.ident, hits.part(at, stop), short))
            at = stop
        self._send(b"".join(answers))

    def _scores_long(self, queries: Vectors, like: Header) -> bool:
        """Whether so much of the vectors is read for the candidates that another thread had better do it."""
        return self._part is not None and self._part.scores_candidates and queries.size * like.reorder >= _CELLS_BESIDE_MIN

    def _await_scoring(self) -> None:
        """At most one batch is scored beside."""
        if self._scoring is not None:
            self._scoring.result()

    def _housekeep_under_load(self, searched_s: float) -> None:
        """Give housekeeping its share of a busy time once there is enough of it to slow searches down."""
        part = self._part
        if part is None or part.waiting_count < _WORK_URGENT_ROWS:
            self._work_allowed_s = 0.0
            return
        self._work_allowed_s += searched_s * _WORK_SHARE
        if self._work_allowed_s > 0:
            started = time.perf_counter()
            part.work(_STEP_S)
            self._work_allowed_s -= time.perf_counter() - started

    def _counts(self) -> bytes:
        self._status = (self._part.size, self._part.fresh_count) if self._part is not None else (0, 0)
        return np.array(self._status, np.int64).tobytes()

    def _status_due(self) -> bool:
        return self._part is not None and (self._part.size, self._part.fresh_count) != self._status

    def _report(self) -> None:
        """Tell the server how many rows are trained and fresh, when that changed and not too often."""
        now = time.monotonic()
        if self._part is not None and self._status_due() and now - self._status_at >= _STATUS_INTERVAL_S:
            self._status_at = now
            self._send(encode(Kind.STATUS, 0, self._counts()))

    def _send(self, data: bytes) -> None:
        with self._sending:
            self._socket.sendall(data)


def _nothing(rows: int, k: int) -> tuple[Hits, bool]:
    return Hits(np.zeros((rows, k), np.int64), np.zeros((rows, k), np.float32), np.zeros(rows, np.int32)), True


def _return_free_memory() -> None:
    """Give the pages that training or loading used for a while back to the system, where the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _die_with(parent: int) -> None:
    """Arrange to be killed when the server ends; leave at once if it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def _keep_native_logs_out() -> None:
    """Leave stderr to Python's own tracebacks: ScaNN's C++ notes have no place in the server's log."""
    own = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    os.close(silent)
    sys.stderr = os.fdopen(own, "w", buffering=1)
    faulthandler.enable(sys.stderr)


def main(arguments: list[str]) -> None:
    descriptor, parent = int(arguments[0]), int(arguments[1])
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _keep_native_logs_out()
    run_soon()
    with socket.socket(fileno=descriptor) as connection:
        try:
            Host(connection).run()
        except (BrokenPipeError, ConnectionResetError):
            return


if __name__ == "__main__":
    main(sys.argv[1:])
