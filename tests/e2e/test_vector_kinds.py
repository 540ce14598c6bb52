"""Search over binary and sparse vectors through the native client: what the indexes find, and what they refuse."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippod.testing import ServerProcess
from hippod_client import DataType, Field, SparseVectors
from hippod_client.errors import InvalidVector, Rejected, TypeMismatch
from hippod_client.sync import Client

RANDOM = np.random.default_rng(5)
COUNT = 300
BITS = RANDOM.integers(0, 256, (COUNT, 16), np.uint8)
SPARSE = [{int(i): float(w) for i, w in zip(RANDOM.choice(50, 8, replace=False), RANDOM.integers(1, 99, 8), strict=True)} for _ in BITS]
FLOATS = RANDOM.standard_normal((COUNT, 4), dtype=np.float32)
FIELDS = [
    Field("id", DataType.INT64, primary_key=True),
    Field("bits", DataType.BINARY_VECTOR, dimension=128),
    Field("words", DataType.SPARSE_FLOAT_VECTOR),
    Field("place", DataType.FLOAT_VECTOR, dimension=4),
]
INDEXES = [
    ("bits", "BIN_FLAT", "hamming"),
    ("bits", "BIN_IVF", "jaccard"),
    ("bits", "BIN_HNSW", "hamming"),
    ("words", "SPARSE_HNSW", "ip"),
    ("place", "FLAT", "l2"),
]


def rows(start: int, stop: int) -> dict[str, Any]:
    return {"id": np.arange(start, stop), "bits": BITS[start:stop], "words": SPARSE[start:stop], "place": FLOATS[start:stop]}


def score(metric: str, field: str, row: int, query: int) -> float:
    if field == "words":
        return sum(weight * SPARSE[query].get(index, 0) for index, weight in SPARSE[row].items())
    if field == "place":
        return float(((FLOATS[row] - FLOATS[query]) ** 2).sum())
    a, b = (int.from_bytes(BITS[i].tobytes()) for i in (row, query))
    return (a ^ b).bit_count() if metric == "hamming" else 1 - (a & b).bit_count() / (a | b).bit_count()


def vectors(field: str, query: int) -> Any:
    return {"words": [SPARSE[query]], "bits": BITS[query : query + 1], "place": FLOATS[query]}[field]


def check(client: Client, living: list[int]) -> None:
    """Every index answers as brute force does, with a filter and without."""
    for field, kind, metric in INDEXES:
        for query in (0, 77):
            for text, among in (("", living), ("id < 20", [i for i in living if i < 20])):
                found = client.search("t", vectors(field, query), k=15, field=field, index=kind, filter=text)[0]
                best = sorted((score(metric, field, row, query) for row in among), reverse=metric == "ip")[:15]
                assert found.scores.tolist() == pytest.approx(best, rel=1e-5, abs=1e-6), kind
                assert set(found.ids) <= set(among)


def test_every_kind_is_searched_as_it_was_acknowledged_also_after_a_kill(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        with Client(server.host, server.port) as client:
            client.create_table("t", FIELDS, tablets=2)
            client.insert("t", rows(0, 200))
            for field, kind, metric in INDEXES:
                client.create_index("t", kind, field, type=kind, metric=metric)
                client.activate_index("t", kind)
            client.insert("t", rows(200, COUNT))
            client.delete("t", np.arange(0, COUNT, 7))
            living = [i for i in range(COUNT) if i % 7]
            check(client, living)
            engines = {index.index: index.engine for index in client.list_indexes("t")}
            assert engines["BIN_HNSW"] == "exact: trains by itself from 4096 rows"
            assert engines["BIN_IVF"].startswith("exact scan that serves BIN_IVF")
            assert engines["SPARSE_HNSW"] == "inverted index: exact inner products"
            server.kill()
        server.start()
        with Client(server.host, server.port) as client:
            check(client, living)
            stored = client.get("t", [8, 9], ["words", "bits"])
            assert stored.columns["words"].tolist() == SPARSE[8:10]
            assert stored.columns["bits"].tolist() == BITS[8:10].tolist()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with ServerProcess(tmp_path_factory.mktemp("kinds") / "data") as server, Client(server.host, server.port) as client:
        client.create_table("t", FIELDS)
        client.insert("t", rows(0, 50))
        for field, kind, metric in INDEXES:
            client.create_index("t", kind, field, type=kind, metric=metric)
            client.activate_index("t", kind)
        yield client


@pytest.mark.parametrize(
    ("field", "kind", "metric", "words"),
    [
        ("place", "BIN_FLAT", "l2", "index type BIN_FLAT is not for field 'place' of type float_vector"),
        ("place", "FLAT", "hamming", "metric hamming is not for field 'place'"),
        ("bits", "FLAT", "hamming", "it takes AUTO, BIN_FLAT, BIN_IVF, BIN_HNSW"),
        ("bits", "BIN_FLAT", "l2", "it takes hamming, jaccard"),
        ("words", "SPARSE_HNSW", "cosine", "it takes ip"),
        ("words", "HNSW", "ip", "it takes AUTO, SPARSE_HNSW"),
    ],
)
def test_an_index_that_the_vectors_cannot_have_is_refused(client: Client, field: str, kind: str, metric: str, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        client.create_index("t", "other", field, type=kind, metric=metric)


@pytest.mark.parametrize(
    ("field", "query", "error", "words"),
    [
        ("bits", FLOATS[:1], TypeMismatch, "takes binary vectors"),
        ("bits", BITS[:1, :15], InvalidVector, "128 bits, 16 bytes, not 15"),
        ("words", FLOATS[:1], TypeMismatch, "takes sparse vectors"),
        ("place", [SPARSE[0]], TypeMismatch, "takes vectors"),
        ("words", [{3: float("inf")}], InvalidVector, "holds NaN, an infinity"),
        ("words", SparseVectors([0, 2], [4, 4], [1, 1]), InvalidVector, "ascending indices"),
    ],
)
def test_a_query_of_another_kind_is_refused(client: Client, field: str, query: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        client.search("t", query, field=field)


def test_trained_binary_indexes_are_searched_filtered_promised_and_found_again(tmp_path: Path) -> None:
    count = 5_000
    bits = RANDOM.integers(0, 256, (count, 16), np.uint8)
    queries = bits[:50] ^ np.uint8(1)
    nearest = np.sort(np.bitwise_count(queries[:, None] ^ bits).sum(axis=2), axis=1)[:, :5]
    with ServerProcess(tmp_path / "data") as server:
        for restarted in (False, True):
            with Client(server.host, server.port) as client:
                if not restarted:
                    client.create_table("t", FIELDS[:2])
                    client.insert("t", {"id": np.arange(count), "bits": bits})
                for kind in ("BIN_IVF", "BIN_HNSW"):
                    if restarted:
                        client.release_index("t", kind)
                        client.load_index("t", kind)
                    else:
                        client.create_index("t", kind, "bits", type=kind, metric="hamming", params={"nlist": 50})
                        client.activate_index("t", kind)
                        while client.describe_recall("t", kind).measuring:
                            time.sleep(0.01)
                        jobs = [job for job in client.list_jobs() if (job.action, job.index) == ("measure_recall", kind)]
                        assert [(job.table, job.status, job.progress) for job in jobs] == [("t", "succeeded", 1.0)]
                engines = {index.index: index.engine for index in client.list_indexes("t")}
                assert engines == {"BIN_IVF": "faiss: 50 leaves, bits", "BIN_HNSW": "faiss: HNSW graph, M 16, ef_construction 200"}
                for kind, params in (("BIN_IVF", {"nprobe": 49}), ("BIN_HNSW", {"ef_search": 500}), ("BIN_IVF", {"recall": 0.97})):
                    found = client.search("t", queries, 5, index=kind, params=params)
                    assert (found.scores.reshape(50, 5) <= nearest[:, -1:]).mean() > 0.95, kind
                    few = client.search("t", queries[0], 5, index=kind, filter="id < 100", params=params)
                    assert set(few.ids) <= set(range(100))
                    assert few.ids[0] == 0
            server.terminate()
            server.start()
