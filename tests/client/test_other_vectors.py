"""Binary and sparse vectors through both clients: searched, filtered, replaced; what does not fit is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hippod_client import Client, DataType, Field, SparseVectors
from hippod_client.errors import InvalidVector, Rejected, TypeMismatch

Array = npt.NDArray[Any]

FIELDS = [
    Field("id", "int64", primary_key=True),
    Field("kind", "int32"),
    Field("f", DataType.FLOAT_VECTOR, dimension=2),
    Field("b", DataType.BINARY_VECTOR, dimension=64),
    Field("s", DataType.SPARSE_FLOAT_VECTOR),
]
COUNT = 400
RNG = np.random.default_rng(5)
BITS = RNG.integers(0, 256, (COUNT, 8), np.uint8)
ENTRIES = [dict.fromkeys(RNG.choice(50, 5, replace=False).tolist(), float(RNG.integers(1, 9))) for _ in range(COUNT)]
INDEXES = [
    ("by_f", "f", "FLAT", "l2"),
    ("by_hamming", "b", "BIN_FLAT", "hamming"),
    ("by_jaccard", "b", "bin_flat", "Jaccard"),
    ("by_s", "s", "SPARSE_HNSW", "ip"),
]


def hamming(query: Array) -> Array:
    distances: Array = np.bitwise_count(BITS ^ query).sum(axis=1).astype(float)
    return distances


def jaccard(query: Array) -> Array:
    both, either = np.bitwise_count(BITS & query).sum(axis=1), np.bitwise_count(BITS | query).sum(axis=1)
    distances: Array = 1 - both / either
    return distances


def product(query: dict[int, float]) -> Array:
    return np.array([sum(value * query.get(index, 0.0) for index, value in row.items()) for row in ENTRIES])


async def filled(client: Client, tablets: int) -> None:
    await client.create_table("t", FIELDS, tablets=tablets)
    ids = np.arange(COUNT)
    await client.insert("t", {"id": ids, "kind": ids % 10, "f": np.stack((ids, ids), axis=1), "b": BITS, "s": ENTRIES})
    for name, field, kind, metric in INDEXES:
        await client.create_index("t", name, field, type=kind, metric=metric)
        await client.activate_index("t", name)


@pytest.mark.parametrize("tablets", [1, 3])
async def test_searches_find_what_brute_force_finds(both: Client, tablets: int) -> None:
    await filled(both, tablets)
    gone = [3, 77]
    await both.delete("t", gone)
    living = ~np.isin(np.arange(COUNT), gone)
    query, entries = BITS[7], ENTRIES[7]
    asked: list[tuple[str, str, Any, Array]] = [
        ("by_hamming", "b", query, hamming(query)),
        ("by_jaccard", "b", query.tobytes(), jaccard(query)),
        ("by_s", "s", entries, -product(entries)),
        ("by_s", "s", SparseVectors.of([entries]), -product(entries)),
    ]
    for index, field, vectors, wanted in asked:
        for condition, kept in (("", living), ("kind == 7", living & (np.arange(COUNT) % 10 == 7))):
            found = await both.search("t", vectors, 10, field=field, index=index, filter=condition)
            best = np.sort(wanted[kept])[:10]
            assert np.abs(found.scores).tolist() == pytest.approx(np.abs(best).tolist()), index
            assert np.abs(wanted[found.ids]).tolist() == pytest.approx(np.abs(best).tolist()), index
            assert kept[found.ids].all()
    assert (await both.search("t", BITS[:3], 1, field="b", output_fields=["b", "s"])).columns["b"].tolist() == BITS[:3].tolist()
    engines = {info.index: info.engine for info in await both.list_indexes("t")}
    assert engines["by_hamming"] == "exact"
    assert engines["by_s"] == "inverted index: exact inner products"


async def test_what_is_replaced_is_found_by_its_new_vectors(both: Client) -> None:
    await filled(both, 1)
    await both.search("t", [{1_000: 1.0}], 1, field="s")
    await both.update("t", {"id": [5], "b": np.full((1, 8), 255, np.uint8), "s": [{1_000: 2.0}]})
    assert (await both.search("t", np.full(8, 255, np.uint8), 1, field="b")).ids.tolist() == [5]
    found = await both.search("t", {1_000: 3.0}, 1, field="s")
    assert (found.ids.tolist(), found.scores.tolist()) == ([5], [6.0])


@pytest.mark.parametrize(
    ("field", "kind", "metric", "words"),
    [
        ("b", "FLAT", "hamming", "index type FLAT is not for field 'b' of type binary_vector"),
        ("b", "BIN_FLAT", "l2", "metric l2 is not for field 'b'"),
        ("f", "BIN_FLAT", "l2", "index type BIN_FLAT is not for field 'f'"),
        ("f", "FLAT", "jaccard", "metric jaccard is not for field 'f'"),
        ("s", "HNSW", "ip", "it takes AUTO, SPARSE_HNSW"),
        ("s", "SPARSE_HNSW", "cosine", "it takes ip"),
    ],
)
async def test_indexes_that_do_not_go_with_the_vectors_are_refused(both: Client, field: str, kind: str, metric: str, words: str) -> None:
    await both.create_table("t", FIELDS)
    with pytest.raises(Rejected, match=words):
        await both.create_index("t", "ix", field, type=kind, metric=metric)


async def test_an_index_of_which_nothing_is_said_suits_its_field_and_keeps_a_promise(both: Client) -> None:
    await filled(both, 1)
    asked: list[tuple[str, Any, str, Array]] = [
        ("f", [7, 7], "l2", 2.0 * (np.arange(COUNT) - 7) ** 2),
        ("b", BITS[7], "hamming", hamming(BITS[7])),
        ("s", ENTRIES[7], "ip", -product(ENTRIES[7])),
    ]
    for field, query, metric, wanted in asked:
        await both.create_index("t", field, field)
        await both.activate_index("t", field)
        found = await both.search("t", query, 10, field=field, index=field, params={"recall": 0.95})
        assert np.abs(found.scores).tolist() == pytest.approx(np.abs(np.sort(wanted)[:10]).tolist())
        (info,) = (index for index in await both.list_indexes("t") if index.index == field)
        assert (info.type, info.metric) == ("AUTO", metric)
        assert "inverted index that serves AUTO" in info.engine or field != "s"


async def test_queries_of_another_kind_are_refused(both: Client) -> None:
    await filled(both, 1)
    wrong: list[tuple[str, Any, type[Exception], str]] = [
        ("b", np.zeros((1, 8), np.float32), TypeMismatch, "binary vectors"),
        ("b", np.zeros((1, 7), np.uint8), InvalidVector, "dimension 64 bits, 8 bytes, not 7"),
        ("s", np.zeros((1, 8), np.float32), TypeMismatch, "sparse vectors"),
        ("f", [{1: 1.0}], TypeMismatch, "takes vectors"),
        ("s", SparseVectors([0, 2], [3, 3], [1.0, 2.0]), InvalidVector, "ascending indices"),
    ]
    for field, vectors, error, words in wrong:
        with pytest.raises(error, match=words):
            await both.search("t", vectors, 1, field=field)
