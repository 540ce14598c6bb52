"""Documents of the catalog that this version cannot have written are refused by name, at a start and by `hippod check`."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest

from hippod.engine.catalog import Catalog
from hippod.engine.check import check_directory
from hippod.engine.directory import DataDirectory
from hippod.engine.engine import Engine
from hippod.engine.store.row_store import RowStore, StoreChanges
from hippod.errors import DamagedData
from tests.unit.engine.harness import make_books, opened, options


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"z/thing", b""),
        (b"z/thing", None),
        (b"c/unheard-of", msgspec.msgpack.encode(1)),
        (b"u/ann", msgspec.msgpack.encode({"name": "ann", "password_hash": "x", "is_superuser": False, "is_default": False, "new": 1})),
        (b"t/00000001", b"\xc1"),
    ],
)
def test_an_unknown_document_is_refused_and_not_ignored(key: bytes, value: bytes | None) -> None:
    with pytest.raises(DamagedData, match=r"use the version of hippod that wrote it|use the version that wrote it") as caught:
        Catalog().apply([(key, value)])
    assert repr(key) in str(caught.value)


async def test_a_directory_of_a_newer_version_is_neither_opened_nor_sound(tmp_path: Path) -> None:
    path = tmp_path / "data"
    async with opened(path) as engine:
        await make_books(engine, 3)
    directory = DataDirectory.open(path, create=False)
    store = RowStore.open(directory.lmdb, 1 << 30, directory.database_id)
    store.apply(StoreChanges(put_catalog={b"z/new": b"kind"}), store.applied())
    store.close()
    directory.close()
    findings = io.StringIO()
    assert check_directory(path, findings) == DamagedData.exit_code
    assert "z/new" in findings.getvalue()
    with pytest.raises(DamagedData, match="z/new"):
        await Engine.open(options(path))
