"""Keys and values of the store as bytes.

Numbers in keys are big-endian, so that keys sort as numbers. Every value ends with 4 bytes: CRC-32C of its key and what precedes
them, little-endian. A value that does not match was damaged on the disk and is never used.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import crc32c
import numpy as np
import numpy.typing as npt

from hippod.errors import DamagedData

_CRC: Final = struct.Struct("<I")
_BLOCK: Final = struct.Struct(">IHQ")


class BlockKey(NamedTuple):
    """Where a row block stands: `first` is at most its first row_id and more than the last row_id of the block before."""

    table: int
    tablet: int
    first: int

    def encode(self) -> bytes:
        return _BLOCK.pack(*self)

    @classmethod
    def decode(cls, key: bytes) -> BlockKey:
        return cls._make(_BLOCK.unpack(key))

    def __str__(self) -> str:
        return f"the row block of table {self.table}, tablet {self.tablet}, from row_id {self.first}"


def seal(key: bytes, parts: Sequence[bytes | memoryview]) -> bytes:
    """The value made of `parts`, with its checksum."""
    crc = crc32c.crc32c(key)
    for part in parts:
        crc = crc32c.crc32c(part, crc)
    return b"".join((*parts, _CRC.pack(crc)))


def unseal(key: bytes, value: bytes, what: str) -> memoryview:
    """The content of a value. Raises DamagedData that names `what` if the checksum does not match."""
    content = memoryview(value)[:-4]
    if len(value) < 4 or crc32c.crc32c(content, crc32c.crc32c(key)) != _CRC.unpack(value[-4:])[0]:
        raise DamagedData(f"the store is damaged: the checksum of {what} does not match; restore from a backup")
    return content


def decode_dead(key: BlockKey, content: memoryview) -> npt.NDArray[np.int64]:
    """The dead row_ids of a block, rising; stored as they are, 8 bytes each."""
    if len(content) % 8:
        raise DamagedData(f"the store is damaged: the dead rows of {key} are cut short")
    return np.frombuffer(content, "<i8")
