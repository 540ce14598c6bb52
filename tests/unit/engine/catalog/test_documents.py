"""Documents of the catalog that this version cannot have written are refused by name, at a start and by `hippod check`."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import msgspec
import pytest

from hippod.engine.catalog import Catalog
from hippod.engine.catalog.documents import Alias, Grant, put_alias, put_grant
from hippod.engine.check import check_directory
from hippod.engine.directory import DataDirectory
from hippod.engine.engine import Engine
from hippod.engine.operations import AddAlias, ChangeAliases, CreateUser, GrantPrivileges, Privilege, PutTemplate
from hippod.engine.store.row_store import RowStore, StoreChanges
from hippod.errors import DamagedData
from tests.unit.engine.harness import make_books, opened, options, run


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"z/thing", b""),
        (b"z/thing", None),
        (b"c/unheard-of", msgspec.msgpack.encode(1)),
        (b"u/ann", msgspec.msgpack.encode({"name": "ann", "password_hash": "x", "is_superuser": False, "is_default": False, "new": 1})),
        (b"t/00000001", b"\xc1"),
        (b"m/t", msgspec.msgpack.encode({"name": "t", "patterns": [], "order": 0, "settings": {}, "indexes": [], "new": 1})),
        (b"p/ann/default/", msgspec.msgpack.encode({"user": "ann"})),
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
    put_documents(path, {b"z/new": b"kind"})
    findings = io.StringIO()
    assert check_directory(path, findings) == DamagedData.exit_code
    assert "z/new" in findings.getvalue()
    with pytest.raises(DamagedData, match="z/new"):
        await Engine.open(options(path))


def put_documents(path: Path, documents: dict[bytes, bytes | None]) -> None:
    """Change the catalog of a stopped directory behind the back of everybody."""
    directory = DataDirectory.open(path, create=False)
    store = RowStore.open(directory.lmdb, 1 << 30, directory.database_id)
    put = {key: value for key, value in documents.items() if value is not None}
    store.apply(StoreChanges(put_catalog=put, delete_catalog=documents.keys() - put.keys()), store.applied())
    store.close()
    directory.close()


def findings_of(path: Path) -> str:
    found = io.StringIO()
    assert check_directory(path, found) == (0 if found.getvalue().endswith("sound\n") else DamagedData.exit_code)
    return found.getvalue()


async def test_a_check_finds_documents_that_name_what_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "data"
    async with opened(path) as engine:
        await make_books(engine, 3)
        await run(engine, ChangeAliases([AddAlias("tomes", "books", is_write_table=True)]))
        await run(engine, CreateUser("ann", "x"))
        await run(engine, GrantPrivileges("ann", [Privilege.ACCESS], "books"))
        await run(engine, GrantPrivileges("ann", [Privilege.CREATE]))
        await run(engine, PutTemplate("t", ["*"]))
        table = engine.catalog.table("default", "books").number
    assert "sound" in findings_of(path)
    broken: list[tuple[dict[bytes, bytes | None], str]] = [
        (dict([put_alias(Alias("default", "other", (table, 99)))]), "alias 'other'"),
        (dict([put_alias(Alias("default", "other", (table,), 99))]), "alias 'other'"),
        (dict([put_grant(Grant("ann", "default", 99, "shiva", (Privilege.ALL,)))]), "a grant to 'ann'"),
        (dict([put_grant(Grant("bob", "default", None, "shiva", (Privilege.ALL,)))]), "a grant to 'bob'"),
        ({b"d/default": None}, "is of database 'default'"),
        ({b"u/shiva": None}, "no superuser"),
    ]
    for number, (documents, finding) in enumerate(broken):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(path, copy)
        put_documents(copy, documents)
        assert finding in findings_of(copy)
