"""Trained indexes on disk: written aside, hashed, synced and renamed, so that what is found is whole or is not used.

    <directory>/saved-00000007/   what the engine wrote, and
        row_ids.npy               int64: the row_id of each position, 0 for a position whose row was dead
        manifest.json             Manifest: format, what was trained, SHA-256 of every other file
    <directory>/building/         a save that has not ended; removed when the next begins

Saved indexes are derived: one that is missing, damaged or of another definition only costs the time to train again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from hippod.engine.index.generation import Misses
from hippod.engine.index.recipe import Recipe
from hippod.engine.index.vectors import Slots
from hippod.engine.operations.indexes import IndexType, Metric

FORMAT: Final = 3
_MANIFEST: Final = "manifest.json"
_ROW_IDS: Final = "row_ids.npy"
_SAVED = re.compile(r"saved-(\d{8})")
_MANIFEST_BYTES_MAX: Final = 1 << 20


class DamagedIndex(Exception):
    """Saved files that don't hold: missing, changed, of another format or definition."""


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the user asked for. The build parameters of an index never change: `recipe` of the manifest has them."""

    type: IndexType
    metric: Metric
    dimension: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`recipe`: the engine and how it was built; `trained_rows`: rows at that training; `removed_rows`: how many had died since;
    `training`: which training it was, unlike any other; `misses` of that training, see `Generation`; `rows`: positions saved."""

    format: int
    definition: Definition
    recipe: Recipe
    trained_rows: int
    removed_rows: int = 0
    training: str = ""
    misses: Misses = ()
    rows: int = 0
    files: dict[str, str] = {}


class _Format(msgspec.Struct, frozen=True):
    """The part of a manifest that every format has."""

    format: int


class SavedIndexes:
    """The saved indexes of one VectorIndex. Everything here blocks and runs in the search pool, one call at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def begin(self) -> Path:
        """An empty directory to save into."""
        building = self._directory / "building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        return building

    def commit(self, building: Path, row_ids: Slots, manifest: Manifest) -> None:
        """Make what is in `building` the saved index; older ones go. Raises OSError and leaves the older ones."""
        np.save(building / _ROW_IDS, row_ids, allow_pickle=False)
        files = {path.name: _hash(path) for path in sorted(building.iterdir())}
        text = msgspec.json.encode(msgspec.structs.replace(manifest, rows=len(row_ids), files=files))
        (building / _MANIFEST).write_bytes(msgspec.json.format(text))
        for path in building.iterdir():
            _sync(path)
        _sync(building)
        numbers = self._numbers()
        building.rename(self._path(max(numbers, default=0) + 1))
        _sync(self._directory)
        for number in numbers:
            shutil.rmtree(self._path(number), ignore_errors=True)

    def latest(self, definition: Definition) -> tuple[Path, Manifest, Slots] | None:
        """Directory, manifest and row_ids of the newest that was saved for this definition, or None.

        The hashes of the engine's own files are left to the host that loads them. Damaged ones are removed.
        """
        for number in sorted(self._numbers(), reverse=True):
            path = self._path(number)
            try:
                manifest = read_manifest(path, check_hashes=False)
                if manifest.definition != definition:
                    raise DamagedIndex("saved for another definition")
                if manifest.files.get(_ROW_IDS) != _hash(path / _ROW_IDS):
                    raise DamagedIndex("row_ids.npy does not match its hash")
                row_ids = np.load(path / _ROW_IDS, allow_pickle=False)
                if row_ids.dtype != np.int64 or row_ids.shape != (manifest.rows,):
                    raise DamagedIndex("row_ids.npy has another shape")
            except (DamagedIndex, OSError, ValueError):
                shutil.rmtree(path, ignore_errors=True)
                continue
            return path, manifest, row_ids
        return None

    def discard(self, path: Path) -> None:
        """Remove one that turned out not to load."""
        shutil.rmtree(path, ignore_errors=True)

    def clear(self) -> None:
        """Remove everything, the directory included."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._directory / f"saved-{number:08d}"

    def _numbers(self) -> list[int]:
        with contextlib.suppress(FileNotFoundError):
            return [int(found[1]) for path in self._directory.iterdir() if (found := _SAVED.fullmatch(path.name))]
        return []


# Made here and not at the first use: indexes are read in several threads, in which msgspec cannot learn a type at the same time.
_decode_format: Final = msgspec.json.Decoder(_Format).decode
_decode_manifest: Final = msgspec.json.Decoder(Manifest).decode


def read_manifest(directory: Path, *, check_hashes: bool) -> Manifest:
    """The manifest in `directory`. Raises DamagedIndex if it or, when asked, any file does not hold."""
    try:
        path = directory / _MANIFEST
        if path.stat().st_size > _MANIFEST_BYTES_MAX:
            raise DamagedIndex("the manifest is too long")
        text = path.read_bytes()
        written = _decode_format(text).format
        if written != FORMAT:
            raise DamagedIndex(f"format {written} instead of {FORMAT}")
        manifest = _decode_manifest(text)
        for name, digest in manifest.files.items() if check_hashes else ():
            if Path(name).name != name or _hash(directory / name) != digest:
                raise DamagedIndex(f"{name} does not match its hash")
    except (OSError, msgspec.MsgspecError) as error:
        raise DamagedIndex(str(error)) from error
    return manifest


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
