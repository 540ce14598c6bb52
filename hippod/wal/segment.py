"""The bytes of a segment, the file that the log consists of: a header, then batches. Pure: no files here.

All numbers are little-endian.

Segment header, 64 bytes                       Batch header, 40 bytes, then the payload
    0  8s   magic "HIPPOWAL"                       0  u32  magic "HBAT"
    8  u32  format version                         4  u8   kind: 1 records, 2 clean stop (no records)
    12 u32  salt, random                           5  u8   0
    16 16s  database id                            6  u16  number of records
    32 u64  segment number                         8  u32  payload bytes, a multiple of 8
    40 u64  first LSN                              12 u32  CRC of the batch before
    48 u64  first batch number                     16 u64  batch number
    56 u32  CRC of the batch before                24 u64  LSN of the first record
    60 u32  CRC-32C of bytes 0..59                 32 u32  0
                                                   36 u32  CRC-32C, seeded with the salt, of bytes 0..35 and the payload

The salt makes batches of an older file of the same name invalid here; the CRC of the batch before makes a chain that no
exchanged, missing or repeated batch can be part of.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import crc32c
import numpy as np

from hippod.wal.record import Buffer, Record

FORMAT_VERSION: Final = 1
SEGMENT_BYTES: Final = 64 << 20
BATCH_BYTES_MAX: Final = 16 << 20
RECORDS_MAX: Final = 65_535
RECORDS: Final = 1
CLEAN_STOP: Final = 2

_SEGMENT: Final = struct.Struct("<8sII16sQQQI")
_BATCH: Final = struct.Struct("<4sBBHIIQQI")
_CRC: Final = struct.Struct("<I")
_SEGMENT_MAGIC: Final = b"HIPPOWAL"
_BATCH_MAGIC: Final = b"HBAT"
SEGMENT_HEADER_BYTES: Final = _SEGMENT.size + _CRC.size
BATCH_HEADER_BYTES: Final = _BATCH.size + _CRC.size
FILE_BYTES_MAX: Final = SEGMENT_HEADER_BYTES + SEGMENT_BYTES + BATCH_BYTES_MAX


class BatchPosition(NamedTuple):
    """Where the log stands after a batch. `crc` is the batch's own; a batch without records has last_lsn = first_lsn - 1."""

    first_lsn: int
    last_lsn: int
    number: int
    crc: int


class AppliedPosition(NamedTuple):
    """Up to where somebody has applied the log: a last LSN, and number and CRC of the batch that it is in. Zeros for nothing."""

    lsn: int
    batch_number: int
    batch_crc: int


class SegmentHeader(NamedTuple):
    salt: int
    database_id: bytes
    number: int
    first_lsn: int
    first_batch: int
    previous_crc: int

    @classmethod
    def following(cls, last: BatchPosition, database_id: bytes, number: int) -> SegmentHeader:
        """The header of a new segment that continues behind `last`."""
        return cls(secrets.randbits(32), database_id, number, last.last_lsn + 1, last.number + 1, last.crc)

    def encode(self) -> bytes:
        head = _SEGMENT.pack(
            _SEGMENT_MAGIC,
            FORMAT_VERSION,
            self.salt,
            self.database_id,
            self.number,
            self.first_lsn,
            self.first_batch,
            self.previous_crc,
        )
        return head + _CRC.pack(crc32c.crc32c(head))

    @classmethod
    def decode(cls, data: Buffer) -> SegmentHeader:
        """The header that `data` begins with. Raises ValueError with the reason."""
        if len(data) < SEGMENT_HEADER_BYTES:
            raise ValueError(f"it has {len(data)} bytes, a segment header has {SEGMENT_HEADER_BYTES}")
        magic, version, *rest = _SEGMENT.unpack_from(data)
        if magic != _SEGMENT_MAGIC:
            raise ValueError("it does not begin as a log segment does")
        if crc32c.crc32c(data[: _SEGMENT.size]) != _CRC.unpack_from(data, _SEGMENT.size)[0]:
            raise ValueError("the checksum of its header does not match")
        if version != FORMAT_VERSION:
            raise ValueError(f"it has format {version}, this hippod reads format {FORMAT_VERSION}")
        return cls(*rest)


class Batch(NamedTuple):
    """A batch found in a segment, its checksum right. `payload` views the segment."""

    position: BatchPosition
    kind: int
    records: int
    previous_crc: int
    payload: memoryview
    offset: int
    end: int


def encode_batch(records: Sequence[Record], kind: int, last: BatchPosition, salt: int) -> tuple[list[Buffer], BatchPosition, int]:
    """The buffers of the batch that follows `last`, its position and its size in bytes. Raises ValueError above the limits."""
    payload = [part for record in records for part in record.encode()]
    size = sum(record.size_bytes for record in records)
    if size > BATCH_BYTES_MAX - BATCH_HEADER_BYTES or len(records) > RECORDS_MAX:
        raise ValueError(f"a batch of {len(records)} records and {size} bytes is above the limit")
    number, first_lsn = last.number + 1, last.last_lsn + 1
    head = _BATCH.pack(_BATCH_MAGIC, kind, 0, len(records), size, last.crc, number, first_lsn, 0)
    crc = crc32c.crc32c(head, salt)
    for part in payload:
        crc = crc32c.crc32c(part, crc)
    position = BatchPosition(first_lsn, last.last_lsn + len(records), number, crc)
    return [head, _CRC.pack(crc), *payload], position, BATCH_HEADER_BYTES + size


def read_batch(data: memoryview, offset: int, salt: int) -> Batch | None:
    """The batch at `offset`, or None if there is no whole, sound one."""
    start = offset + BATCH_HEADER_BYTES
    if start > len(data):
        return None
    magic, kind, flags, count, size, previous_crc, number, first_lsn, reserved = _BATCH.unpack_from(data, offset)
    if magic != _BATCH_MAGIC or flags or reserved or kind not in (RECORDS, CLEAN_STOP) or size % 8:
        return None
    end = start + size
    if size > BATCH_BYTES_MAX or end > len(data):
        return None
    payload = data[start:end]
    crc = crc32c.crc32c(payload, crc32c.crc32c(data[offset : offset + _BATCH.size], salt))
    if crc != _CRC.unpack_from(data, offset + _BATCH.size)[0]:
        return None
    return Batch(BatchPosition(first_lsn, first_lsn + count - 1, number, crc), kind, count, previous_crc, payload, offset, end)


def read_batches(data: memoryview, header: SegmentHeader) -> Iterator[Batch]:
    """The batches of a segment up to the first that is not sound or does not follow the one before."""
    crc, number, lsn = header.previous_crc, header.first_batch, header.first_lsn
    at = SEGMENT_HEADER_BYTES
    while (batch := read_batch(data, at, header.salt)) is not None:
        position = batch.position
        if (batch.previous_crc, position.number, position.first_lsn) != (crc, number, lsn):
            return
        yield batch
        at, crc, number, lsn = batch.end, position.crc, position.number + 1, position.last_lsn + 1


def find_batch_after(data: memoryview, offset: int, salt: int) -> Batch | None:
    """A sound batch anywhere behind `offset`: proof that what stands at `offset` is damage and not the torn end of the log."""
    words = np.frombuffer(data, "<u4", len(data) // 4)[::2]
    magic = int.from_bytes(_BATCH_MAGIC, "little")
    for place in (np.flatnonzero(words[offset // 8 :] == magic) * 8 + offset // 8 * 8).tolist():
        if place > offset and (batch := read_batch(data, place, salt)) is not None:
            return batch
    return None
