"""The store holds exactly the living rows that were applied, whatever was merged, and refuses damaged bytes."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippod.engine.arrays import StringArray
from hippod.engine.rowblock import ColumnData, RowBlock, select_rows
from hippod.engine.store import row_store
from hippod.engine.store.row_store import RowStore, StoreChanges
from hippod.errors import DamagedData, DiskFailure, StorageFull
from hippod.wal.log import AppliedPosition

DATABASE = bytes(16)
MAP_BYTES = 1 << 30


def block(first: int, count: int) -> RowBlock:
    row_ids = np.arange(first, first + count)
    names = StringArray.of([f"row {i}" for i in row_ids])
    vectors = np.repeat(row_ids.astype(np.float32)[:, None], 3, axis=1)
    return RowBlock(row_ids, {1: ColumnData(row_ids * 10), 2: ColumnData(names, row_ids % 3 > 0), 3: ColumnData(vectors)})


def opened(path: Path) -> RowStore:
    path.mkdir(exist_ok=True)
    return RowStore.open(path, MAP_BYTES, DATABASE)


def living(store: RowStore, table: int = 1, tablet: int = 0) -> list[int]:
    """The row_ids that live; each row's cells are checked."""
    out: list[int] = []
    for found, alive in store.load_blocks(table, tablet):
        rows = select_rows(found, alive)
        numbers, names, vectors = (rows.columns[number].values for number in (1, 2, 3))
        assert isinstance(numbers, np.ndarray)
        assert isinstance(names, StringArray)
        assert isinstance(vectors, np.ndarray)
        assert np.array_equal(numbers, rows.row_ids * 10)
        assert names.to_list() == [f"row {i}" for i in rows.row_ids]
        assert np.array_equal(vectors, np.repeat(rows.row_ids[:, None], 3, axis=1))
        out += rows.row_ids.tolist()
    return out


def block_sizes(store: RowStore) -> list[int]:
    return [len(found.row_ids) for found, _ in store.load_blocks(1, 0)]


STEPS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 100)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.data())
def test_rows_and_deaths_survive_merging_and_reopening(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("store")
    store = opened(path)
    alive: set[int] = set()
    first = 1
    for number, (rows, share) in enumerate(steps, start=1):
        dead = [i for i in sorted(alive) if data.draw(st.integers(0, 99)) < share]
        store.apply(
            StoreChanges(put_blocks=[(1, 0, block(first, rows))], dead=[(1, 0, np.array(dead, np.int64))]),
            AppliedPosition(number, number, number),
        )
        alive = (alive - set(dead)) | set(range(first, first + rows))
        first += rows + 5
        if number % 3 == 0:
            store.close()
            store = opened(path)
            assert store.applied() == (number, number, number)
        assert living(store) == sorted(alive)
        assert list(store.verify()) == []
    store.close()


def test_a_trickle_of_rows_does_not_stay_in_tiny_blocks(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for i in range(1, 301):
        store.apply(StoreChanges(put_blocks=[(1, 0, block(i, 1))]), AppliedPosition(i, i, i))
    assert living(store) == list(range(1, 301))
    assert len(block_sizes(store)) <= 10


def test_blocks_of_mostly_dead_rows_shrink_and_go(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.apply(StoreChanges(put_blocks=[(1, 0, block(1 + 1_000 * i, 1_000)) for i in range(6)]), AppliedPosition(1, 1, 1))
    everyone = np.arange(1, 6_001)
    store.apply(StoreChanges(dead=[(1, 0, everyone[everyone % 10 != 0])]), AppliedPosition(2, 2, 2))
    assert living(store) == list(range(10, 6_001, 10))
    assert sum(block_sizes(store)) == 600
    store.apply(StoreChanges(dead=[(1, 0, everyone[everyone % 10 == 0])]), AppliedPosition(3, 3, 3))
    assert block_sizes(store) == []


def test_tables_and_tablets_are_apart_and_a_dropped_table_is_gone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    blocks = [(1, 0, block(1, 5)), (1, 1, block(1, 6)), (2, 0, block(1, 7))]
    store.apply(StoreChanges(put_blocks=blocks, put_catalog={b"t/1": b"one"}), AppliedPosition(1, 1, 1))
    store.apply(StoreChanges(drop_tables=[1], delete_catalog={b"t/1"}), AppliedPosition(2, 2, 2))
    assert (living(store, 1, 0), living(store, 1, 1), living(store, 2, 0)) == ([], [], list(range(1, 8)))
    assert store.load_catalog() == {}


def test_a_failed_apply_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.mkdir()
    store = RowStore.open(path, 1 << 20, DATABASE)
    store.apply(StoreChanges(put_blocks=[(1, 0, block(1, 100))]), AppliedPosition(1, 1, 1))
    with pytest.raises(StorageFull, match="map size"):
        store.apply(StoreChanges(put_blocks=[(1, 0, block(1_000 * i, 1_000)) for i in range(1, 50)]), AppliedPosition(2, 2, 2))
    assert living(store) == list(range(1, 101))
    assert store.applied().lsn == 1
    store.apply(StoreChanges(dead=[(1, 0, np.array([7]))]), AppliedPosition(2, 2, 2))
    assert living(store) == [i for i in range(1, 101) if i != 7]


@pytest.mark.parametrize(
    ("free", "said"), [(0, "0 bytes are free .* make space and start again"), (1 << 40, "cannot be read or written: [^;]*$")]
)
def test_a_store_that_cannot_be_written_says_so_when_its_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, said: str
) -> None:
    store = opened(tmp_path / "lmdb")
    store.apply(StoreChanges(put_blocks=[(1, 0, block(1, 100))]), AppliedPosition(1, 1, 1))
    monkeypatch.setattr(row_store, "free_bytes", lambda _path: free)
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "lmdb" / "data.mdb").stat().st_size, allowed[1]))
    try:
        with pytest.raises(DiskFailure, match=said):
            store.apply(StoreChanges(put_blocks=[(1, 0, block(1_000, 1_000))]), AppliedPosition(2, 2, 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert living(store) == list(range(1, 101))


def test_a_store_whose_directory_is_missing_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DiskFailure, match="No such file or directory"):
        RowStore.open(tmp_path / "gone", MAP_BYTES, DATABASE, read_only=True)


def damage(path: Path, database: bytes, change: Callable[[bytes], bytes]) -> None:
    """Change the first value of one of the store's databases behind its back."""
    with lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=4) as environment:
        handle = environment.open_db(database)
        with environment.begin(write=True, db=handle) as transaction:
            key, value = next(iter(transaction.cursor()))
            transaction.put(bytes(key), change(bytes(value)))


@pytest.mark.parametrize("at", [0, 20, -20, -1])
def test_a_damaged_block_is_refused_and_found_by_verify(tmp_path: Path, at: int) -> None:
    store = opened(tmp_path)
    store.apply(StoreChanges(put_blocks=[(1, 0, block(1, 9))]), AppliedPosition(1, 1, 1))
    store.close()
    damage(tmp_path, b"rows", lambda value: value[:at] + bytes([value[at] ^ 1]) + (value[at + 1 :] if at != -1 else b""))
    store = opened(tmp_path)
    with pytest.raises(DamagedData, match="table 1, tablet 0, from row_id 1"):
        living(store)
    assert len(list(store.verify())) == 1


def test_a_value_under_another_key_is_refused(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.apply(StoreChanges(put_catalog={b"a": b"value of a", b"b": b"value of b"}), AppliedPosition(1, 1, 1))
    store.close()
    with lmdb.open(str(tmp_path), map_size=MAP_BYTES, max_dbs=4) as environment:
        handle = environment.open_db(b"catalog")
        with environment.begin(write=True, db=handle) as transaction:
            transaction.put(b"a", bytes(transaction.get(b"b") or b""))
    with pytest.raises(DamagedData, match="checksum"):
        opened(tmp_path).load_catalog()


def test_the_store_of_another_database_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with pytest.raises(DamagedData, match="another database"):
        RowStore.open(tmp_path, MAP_BYTES, bytes(15) + b"x")
