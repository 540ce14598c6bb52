"""From primary key to the address of its row: a hash table in two numpy arrays, looked up and filled many keys at a time.

An address is a non-negative int64 that the owner can read the key at (see `routing`). Open addressing with linear probing over a
power of two of places. A place holds an address + 1 (0: free) and, beside it, 32 bits of the key's hash, so that only likely places
are compared with the key column itself; keys are not copied. Removal leaves a tombstone, and growth drops them. The hash is seeded
by chance: nobody can send keys that collide on purpose.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import StringArray, Values

_PLACES_FIRST: Final = 256
_FREE: Final = 0
_TOMBSTONE: Final = -1
_LOAD_MAX: Final = 0.6
_COPIED_AT_ONCE: Final = 1 << 18

Addresses = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


class Located(NamedTuple):
    """Keys as an index knows them: their `hashes` uint64 (n,), and `places` int64 (n,), -1 where a key is absent."""

    hashes: Hashes
    places: Places

    def take(self, rows: npt.NDArray[np.intp]) -> Located:
        return Located(self.hashes[rows], self.places[rows])

    @classmethod
    def joined(cls, parts: Sequence[Located]) -> Located:
        if len(parts) == 1:
            return parts[0]
        return cls(np.concatenate([part.hashes for part in parts]), np.concatenate([part.places for part in parts]))


class KeyIndex:
    """`keys_at` reads the keys at addresses. Changed on the event loop only; looked up anywhere nobody changes it."""

    def __init__(self, keys_at: Callable[[Addresses], Values], places: int = _PLACES_FIRST, seed: int | None = None) -> None:
        self._keys_at = keys_at
        self._seed = int.from_bytes(os.urandom(8), "little") if seed is None else seed
        self._addresses = np.zeros(places, np.int64)
        self._tags = np.zeros(places, np.uint32)
        self._mask = np.uint64(places - 1)
        self._used = 0  # living keys and tombstones
        self._living = 0

    @property
    def memory_bytes(self) -> int:
        return self._addresses.nbytes + self._tags.nbytes

    def lookup(self, keys: Values) -> Addresses:
        """int64 (n,): the address of each key's row, -1 where it is absent."""
        return self.addresses(self.locate(keys))

    def locate(self, keys: Values) -> Located:
        """Where keys stand; good until other keys are assigned."""
        hashes = self._hash(keys)
        return Located(hashes, self._find(keys, hashes))

    def addresses(self, located: Located) -> Addresses:
        """As `lookup`."""
        return np.where(located.places >= 0, self._addresses[located.places] - 1, -1)

    def grown(self, extra: int) -> KeyIndex | None:
        """A copy with room for `extra` more keys, or None if there is room; the caller puts it in place of this one."""
        if self._used + extra <= _LOAD_MAX * len(self._addresses):
            return None
        return self._copied(self._addresses[self._addresses > _FREE] - 1, extra)

    def kept(self, wanted: Callable[[Addresses], npt.NDArray[np.bool_]]) -> KeyIndex:
        """A copy with only the addresses for which `wanted` holds."""
        addresses = self._addresses[self._addresses > _FREE] - 1
        return self._copied(addresses[wanted(addresses)], 0)

    def _copied(self, addresses: Addresses, extra: int) -> KeyIndex:
        places = _PLACES_FIRST
        while (len(addresses) + extra) * 2 > _LOAD_MAX * places:
            places *= 2
        copy = KeyIndex(self._keys_at, places, self._seed)
        for start in range(0, len(addresses), _COPIED_AT_ONCE):
            part = addresses[start : start + _COPIED_AT_ONCE]
            copy._insert(self._hash(self._keys_at(part)), part)
        return copy

    def assign(self, located: Located, addresses: Addresses) -> None:
        """Let each key lead to its address. No key comes twice; `grown` has made room, and since the keys were located only others were
        removed."""
        known = located.places >= 0
        if known.all():
            self._addresses[located.places] = addresses + 1
            return
        self._addresses[located.places[known]] = addresses[known] + 1
        self._insert(located.hashes[~known], addresses[~known])

    def remove(self, keys: Values) -> None:
        """Forget keys; absent ones are ignored."""
        places = self._find(keys, self._hash(keys))
        places = places[places >= 0]
        self._addresses[places] = _TOMBSTONE
        self._living -= len(places)

    def _hash(self, keys: Values) -> Hashes:
        seed = np.uint64(self._seed)
        if isinstance(keys, StringArray):
            # The interpreter's own string hash is SipHash with a secret of the process.
            x = np.fromiter(map(hash, keys.to_bytes_list()), np.int64, len(keys)).view(np.uint64) ^ seed
        else:
            assert isinstance(keys, np.ndarray)
            x = keys.astype(np.int64).view(np.uint64) + seed
        # The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))

    def _find(self, keys: Values, hashes: Hashes) -> Places:
        """The place of each key, -1 where it is absent. All keys take one probe a round; few need a second round."""
        found = np.full(len(hashes), -1, np.int64)
        if not self._living:
            return found
        tags = (hashes >> np.uint64(32)).astype(np.uint32)
        open_keys = np.arange(len(hashes))
        places = (hashes & self._mask).astype(np.int64)
        while len(open_keys):
            held = self._addresses[places]
            likely = np.flatnonzero((held > _FREE) & (self._tags[places] == tags[open_keys]))
            if len(likely):
                same = _equal(keys, open_keys[likely], self._keys_at(held[likely] - 1))
                hit = likely[same]
                found[open_keys[hit]] = places[hit]
                held[hit] = _FREE
            going = held != _FREE
            open_keys = open_keys[going]
            places = (places[going] + 1) & int(self._mask)
        return found

    def _insert(self, hashes: Hashes, addresses: Addresses) -> None:
        """Put keys that are known to be absent. Where several want one place, one gets it and the others go on."""
        tags = (hashes >> np.uint64(32)).astype(np.uint32)
        self._used += len(addresses)
        self._living += len(addresses)
        places = (hashes & self._mask).astype(np.int64)
        while len(addresses):
            free = self._addresses[places] == _FREE
            wanted = places[free]
            self._addresses[wanted] = addresses[free] + 1
            won = np.zeros(len(addresses), np.bool_)
            won[free] = self._addresses[wanted] == addresses[free] + 1
            self._tags[places[won]] = tags[won]
            lost = ~won
            addresses, tags, places = addresses[lost], tags[lost], (places[lost] + 1) & int(self._mask)


def _equal(keys: Values, at: npt.NDArray[np.intp], others: Values) -> npt.NDArray[np.bool_]:
    """Whether keys[at[i]] == others[i]."""
    if isinstance(keys, StringArray):
        assert isinstance(others, StringArray)
        mine, theirs = keys.take(at).to_bytes_list(), others.to_bytes_list()
        return np.fromiter((a == b for a, b in zip(mine, theirs, strict=True)), np.bool_, len(at))
    assert isinstance(keys, np.ndarray)
    assert isinstance(others, np.ndarray)
    return np.asarray(keys[at] == others)
