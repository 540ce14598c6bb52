"""The bytes between the server and an index host, over a socket pair on one machine: fixed headers and raw arrays.

Every message is a header of 40 bytes (ten u32, native order, both ends are one machine) and a body padded to 8 bytes:

    0 body bytes   without the padding          20 effort    SEARCH: see spec.Tuning
    4 kind         see Kind                     24 reorder   SEARCH: candidates scored exactly
    8 ident        answers carry the request's  28 depth     SEARCH: with a filter, how many of the nearest rows may match
   12 rows         queries, or slots in all     32 filter    SEARCH: ident of the filter, 0 = none
   16 k            rows wanted per query        36 short     FOUND: 1 = fewer rows than asked although more live
                   / found at most

To the host: OPEN (JSON HostSetup), SLOTS (int64 positions to slots, to be continued), TRAIN (JSON), LOAD (JSON), SAVE
(JSON), COUNT, ADD and REMOVE (int64 slots), ADD_RANGE (two int64: first slot, count), SEARCH (queries like the rows).
FILTER: which of the slots below `rows` match the filter `ident`: int64 first slot, a multiple of 8, and from it on a bit a slot,
lowest first; those below it are known. FORGET: the filter `ident` is not used any more.
From the host: DONE (for TRAIN JSON Built; for SAVE int64: slots of the positions, -1 for the
dead; for COUNT as STATUS) or FAILED (text)
answers OPEN, TRAIN, LOAD, SAVE and COUNT; FOUND (slots int64 (rows, k), scores float32 (rows, k), counts int32 (rows,))
answers SEARCH; STATUS (two int64: rows trained or absorbed, rows fresh) comes by itself.

Messages are obeyed in the order sent, so a search sees every change sent before it. Inserting sends slots, never
vectors: the host maps the vector file.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.index.exact import Hits
from hippod.engine.index.recipe import Recipe
from hippod.engine.index.vectors import Slots, Vectors

HEADER: Final = struct.Struct("=10I")
SLOTS_PER_MESSAGE: Final = 65_536
# The most queries of several searches that are sent as one; how many of them a host answers in one call it finds out.
BATCH_QUERIES_MAX: Final = 16
_PADDING: Final = (b"", b"\0" * 7, b"\0" * 6, b"\0" * 5, b"\0" * 4, b"\0" * 3, b"\0" * 2, b"\0")


class Kind(enum.IntEnum):
    OPEN = 1
    SLOTS = 2
    TRAIN = 3
    LOAD = 4
    SAVE = 5
    ADD = 6
    ADD_RANGE = 7
    REMOVE = 8
    SEARCH = 9
    COUNT = 10
    FILTER = 11
    FORGET = 12
    DONE = 16
    FAILED = 17
    FOUND = 18
    STATUS = 19


class Header(NamedTuple):
    body_bytes: int
    kind: int
    ident: int
    rows: int
    k: int
    effort: int
    reorder: int
    depth: int
    filter: int
    short: int


class HostSetup(msgspec.Struct, frozen=True):
    """OPEN: what the host serves: rows of `width` elements of `dtype` (queries are like them), compared by `metric`."""

    vector_file: str
    width: int
    dtype: str
    metric: str


class TrainTask(msgspec.Struct, frozen=True):
    """TRAIN over the slots sent, as the recipe says, on so many threads; of several recipes, the best by measuring."""

    candidates: tuple[Recipe, ...]
    threads: int


class Built(msgspec.Struct, frozen=True):
    """Answers TRAIN: what serves now. None: nothing, exact search was measured to be better; `reason` tells how much."""

    recipe: Recipe | None
    reason: str = ""


class FileTask(msgspec.Struct, frozen=True):
    """LOAD: serve the index saved in `directory`, whose positions are the slots sent (-1: gone). SAVE: write it there."""

    directory: str


class Reassembly:
    """Cuts a byte stream back into messages. Bodies are views of memory that is never written again."""

    def __init__(self) -> None:
        self._partial = bytearray()
        self._needed = HEADER.size

    def feed(self, data: bytes) -> Iterator[tuple[Header, memoryview]]:
        """The messages completed by `data`."""
        source: bytes | bytearray = data
        if self._partial:
            self._partial += data
            if len(self._partial) < self._needed:
                return
            source, self._partial = self._partial, bytearray()
        view, at, end = memoryview(source), 0, len(source)
        while end - at >= HEADER.size:
            header = Header._make(HEADER.unpack_from(view, at))
            stop = at + HEADER.size + (header.body_bytes + 7 & ~7)
            if stop > end:
                break
            start, at = at + HEADER.size, stop
            yield header, view[start : start + header.body_bytes]
        if at < end:
            self._needed = HEADER.size
            if end - at >= HEADER.size:
                self._needed += HEADER.unpack_from(view, at)[0] + 7 & ~7
            self._partial = bytearray(view[at:])


def encode(kind: Kind, ident: int, body: bytes = b"") -> bytes:
    return b"".join((HEADER.pack(len(body), kind, ident, 0, 0, 0, 0, 0, 0, 0), body, _PADDING[len(body) & 7]))


class Restriction(NamedTuple):
    """A search keeps of the `depth` nearest rows those that match the filter with this ident."""

    depth: int
    filter: int


UNRESTRICTED: Final = Restriction(0, 0)


def encode_search(
    ident: int, rows: int, k: int, effort: int, reorder: int, queries: Sequence[Vectors], restriction: Restriction = UNRESTRICTED
) -> bytes:
    """A SEARCH of `rows` queries in all, from arrays (n, dimension) in C order."""
    body_bytes = sum([part.nbytes for part in queries])
    header = HEADER.pack(body_bytes, Kind.SEARCH, ident, rows, k, effort, reorder, *restriction, 0)
    return b"".join([header, *[part.data for part in queries], _PADDING[body_bytes & 7]])


def encode_filter(ident: int, rows: int, first: int, bits: npt.NDArray[np.uint8]) -> bytes:
    """A FILTER; `bits` are those of the slots first..rows-1."""
    body_bytes = 8 + bits.nbytes
    header = HEADER.pack(body_bytes, Kind.FILTER, ident, rows, 0, 0, 0, 0, 0, 0)
    return b"".join((header, np.int64(first).tobytes(), bits.tobytes(), _PADDING[body_bytes & 7]))


def encode_slots(kind: Kind, slots: Slots) -> Iterator[bytes]:
    """Slots in as many messages as it takes."""
    for start in range(0, len(slots), SLOTS_PER_MESSAGE):
        yield encode(kind, 0, slots[start : start + SLOTS_PER_MESSAGE].tobytes())


def encode_found(ident: int, hits: Hits, short: bool) -> bytes:
    rows, k = hits.slots.shape
    body_bytes = rows * k * 12 + rows * 4
    return b"".join(
        (
            HEADER.pack(body_bytes, Kind.FOUND, ident, rows, k, 0, 0, 0, 0, short),
            hits.slots.tobytes(),
            hits.scores.tobytes(),
            hits.counts.tobytes(),
            _PADDING[body_bytes & 7],
        )
    )


def decode_found(header: Header, body: memoryview) -> Hits:
    """The answers as views of the body."""
    rows, k = header.rows, header.k
    cells = rows * k
    return Hits(
        np.frombuffer(body, np.int64, cells).reshape(rows, k),
        np.frombuffer(body, np.float32, cells, cells * 8).reshape(rows, k),
        np.frombuffer(body, np.int32, rows, cells * 12),
    )
