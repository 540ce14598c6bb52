"""The data sets that are measured: where they come from, what is asked of them, and the exact answers.

A `Source` is small and goes to other processes, where `open` gives the arrays; big ones are mapped from files. What is made here lies
in `bench/.cache` and is made once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from demo import packages as demo
from hippod_client import DataType, Field

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

K: Final = 10
SHARES: Final = (0.0001, 0.001, 0.01, 0.07, 0.3, 0.9)
CACHE: Final = Path(__file__).parent / ".cache"
VECTOR_FIELD: Final = "embedding"
PACKAGES: Final = "debian-packages"
# Stands where there is no further id; unlike -1, which stands where nothing was found.
NO_ID: Final = -2
_QUERIES: Final = 1_000
_DIMENSION: Final = 128
_CHUNK_ROWS: Final = 50_000
_SEED: Final = 20_240_229


class DataSet(NamedTuple):
    """`base` float32 (n, d), row i has primary key `ids[i]`; `queries` (nq, d); `truth` int64 (nq, K or more): the exact nearest ids, with
    all that are as near as the K-th, filled up with NO_ID. Bits are uint8 (n, d / 8), sparse vectors SparseVectors.

    `scalars` are further columns, one entry a row each (empty where a column is made from the ids, see `Source.columns`).
    """

    base: Any
    ids: Ids
    queries: Any
    truth: Ids
    scalars: Mapping[str, Any]


class Restriction(NamedTuple):
    """A filter that a `share` of the rows match, from 0.0 to 1.0; `rows` int64, ascending, are the places in `base` of those that do."""

    share: float
    filter: str
    rows: Ids


class Source(Protocol):
    """A data set by description. `title` is for the table; `index_params` and `search_params` reach recall@10 >= 0.95."""

    @property
    def title(self) -> str: ...

    @property
    def metric(self) -> str: ...

    @property
    def fields(self) -> tuple[Field, ...]: ...

    @property
    def index_params(self) -> dict[str, int]: ...

    @property
    def search_params(self) -> dict[str, int]: ...

    def open(self) -> DataSet: ...

    def columns(self, data: DataSet, start: int, stop: int) -> dict[str, Any]:
        """Rows start..stop-1 as the client takes them."""
        ...

    def restrictions(self, data: DataSet) -> list[Restriction]:
        """Filters of every share in SHARES, rising."""
        ...


def recall(found: Ids, truth: Ids) -> float:
    """The share of the true nearest that was found: `found` int64 (nq, K), `truth` (nq, K or more), in the same order of queries."""
    shares = [len(np.intersect1d(a, b)) / found.shape[1] for a, b in zip(found, truth, strict=True)]
    return float(np.mean(shares))


@dataclass(frozen=True)
class Packages:
    """The package set in `directory`, else (None) the 5,000 packages of the demo."""

    directory: Path | None

    @property
    def name(self) -> str:
        return "demo's 5,000 packages" if self.directory is None else "62,666 packages"

    @property
    def title(self) -> str:
        return f"{self.name} x 384, cosine"

    @property
    def metric(self) -> str:
        return "cosine"

    @property
    def fields(self) -> tuple[Field, ...]:
        return (
            Field("id", DataType.INT64, primary_key=True),
            Field("name", DataType.VARCHAR, max_length=200),
            Field("section", DataType.VARCHAR, max_length=100),
            Field("installed_kb", DataType.INT64),
            Field(VECTOR_FIELD, DataType.FLOAT_VECTOR, dimension=384),
        )

    @property
    def index_params(self) -> dict[str, int]:
        return {"nlist": 64 if self.directory is None else 250}

    @property
    def search_params(self) -> dict[str, int]:
        return {"nprobe": 16 if self.directory is None else 30, "reorder": 60}

    def open(self) -> DataSet:
        return _demo_packages() if self.directory is None else _packages(self.directory)

    def columns(self, data: DataSet, start: int, stop: int) -> dict[str, Any]:
        rows = {name: cells[start:stop] for name, cells in data.scalars.items()}
        return {"id": data.ids[start:stop], **rows, VECTOR_FIELD: data.base[start:stop]}

    def restrictions(self, data: DataSet) -> list[Restriction]:
        """The largest packages, which lie closer together than others, but for one share a section."""
        size = np.array(data.scalars["installed_kb"], np.int64)
        found = []
        for share in SHARES:
            least = int(np.sort(size)[-max(1, round(share * len(size)))])
            found.append(Restriction(share, f"installed_kb >= {least}", np.flatnonzero(size >= least)))
        in_section = np.flatnonzero(np.array(data.scalars["section"]) == "python")
        found[SHARES.index(0.07)] = Restriction(len(in_section) / len(size), 'section == "python"', in_section)
        return found


@dataclass(frozen=True)
class Generated:
    """`rows` x 128 in clusters of unequal size, with a spectrum that falls as those of embeddings do; row i has id i."""

    rows: int

    @property
    def title(self) -> str:
        return f"{self.rows:,} x {_DIMENSION} generated, L2"

    @property
    def metric(self) -> str:
        return "l2"

    @property
    def fields(self) -> tuple[Field, ...]:
        return (
            Field("id", DataType.INT64, primary_key=True),
            Field("category", DataType.INT32),
            Field("price", DataType.DOUBLE),
            Field("label", DataType.VARCHAR, max_length=32),
            Field(VECTOR_FIELD, DataType.FLOAT_VECTOR, dimension=_DIMENSION),
        )

    @property
    def index_params(self) -> dict[str, int]:
        return {"nlist": round(self.rows**0.5)}

    @property
    def search_params(self) -> dict[str, int]:
        return {"nprobe": max(8, round(self.index_params["nlist"] * 0.05)), "reorder": 200}

    def open(self) -> DataSet:
        directory = CACHE / f"generated-{self.rows}"
        if not directory.exists():
            _generate(self.rows, directory)
        base, queries, truth = (np.load(directory / f"{name}.npy", mmap_mode="r") for name in ("base", "queries", "truth"))
        return DataSet(base, np.arange(self.rows), np.array(queries), np.array(truth), {})

    def columns(self, data: DataSet, start: int, stop: int) -> dict[str, Any]:
        ids = data.ids[start:stop]
        return {
            "id": ids,
            "category": (ids % 100).astype(np.int32),
            "price": ids * 0.25,
            "label": [f"item-{number:08d}" for number in ids.tolist()],
            VECTOR_FIELD: data.base[start:stop],
        }

    def restrictions(self, data: DataSet) -> list[Restriction]:
        """The first rows, which are spread like all."""
        counts = [max(1, round(share * len(data.base))) for share in SHARES]
        return [Restriction(share, f"price < {count * 0.25}", np.arange(count)) for share, count in zip(SHARES, counts, strict=True)]


def _demo_packages() -> DataSet:
    base, queries = demo.packages(), demo.queries()
    ids = np.array([row["id"] for row in base.rows], np.int64)
    names = ("name", "section", "installed_kb")
    scalars = {name: [row[name] for row in base.rows] for name in names}
    truth = ids[np.argsort(-(queries.vectors @ base.vectors.T), axis=1)[:, :K]]
    return DataSet(base.vectors, ids, queries.vectors, truth, scalars)


def _packages(directory: Path) -> DataSet:
    from pyarrow import parquet

    base, queries = (_unit(np.load(directory / f"{PACKAGES}.{name}.f16.npy")) for name in ("base", "queries"))
    table = parquet.read_table(directory / f"{PACKAGES}.rows.parquet", columns=["id", "name", "section", "installed_kb"])
    columns = table.to_pydict()
    ids = np.array(columns.pop("id"), np.int64)
    truth = np.load(directory / f"{PACKAGES}.gt100.ids.npy")[:, :K].astype(np.int64)
    return DataSet(base, ids, queries, truth, columns)


def _unit(vectors: npt.NDArray[np.float16]) -> Vectors:
    wide = vectors.astype(np.float32)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True), np.float32)


def _generate(rows: int, directory: Path) -> None:
    """Write base, queries and truth; whole or not at all."""
    building = directory.with_name(f"{directory.name}.{os.getpid()}")
    building.mkdir(parents=True)
    rng = np.random.default_rng(_SEED)
    spectrum = (np.arange(1, _DIMENSION + 1) ** -0.35).astype(np.float32)
    clusters = max(16, rows // 500)
    centres = rng.standard_normal((clusters, _DIMENSION), dtype=np.float32) * spectrum
    weights = rng.pareto(2.0, clusters) + 0.2
    owner = rng.choice(clusters, rows + _QUERIES, p=weights / weights.sum())
    base = np.lib.format.open_memmap(building / "base.npy", "w+", np.float32, (rows, _DIMENSION))
    for start in range(0, rows, _CHUNK_ROWS):
        stop = min(rows, start + _CHUNK_ROWS)
        base[start:stop] = _around(centres[owner[start:stop]], spectrum, rng)
    queries = _around(centres[owner[rows:]], spectrum, rng)
    base.flush()
    np.save(building / "queries.npy", queries)
    np.save(building / "truth.npy", nearest(base, queries))
    shutil.rmtree(directory, ignore_errors=True)
    building.rename(directory)


def _around(centres: Vectors, spectrum: Vectors, rng: np.random.Generator) -> Vectors:
    noise = rng.standard_normal(centres.shape, dtype=np.float32)
    noise *= spectrum
    return centres + np.float32(0.8) * noise


def nearest(base: Vectors, queries: Vectors) -> Ids:
    """The K nearest rows (all, if there are fewer) by squared distance: ranked in float32, the best 4 K ordered again in float64."""
    wide = 4 * K
    ranks: npt.NDArray[np.float32] = np.empty((len(queries), 0), np.float32)
    rows: Ids = np.empty((len(queries), 0), np.int64)
    for start in range(0, len(base), _CHUNK_ROWS):
        chunk = np.asarray(base[start : start + _CHUNK_ROWS])
        near = np.einsum("ij,ij->i", chunk, chunk) - 2 * (queries @ chunk.T)
        chosen = np.argpartition(near, min(wide, len(chunk)) - 1, axis=1)[:, :wide]
        ranks = np.concatenate((ranks, np.take_along_axis(near, chosen, 1)), axis=1)
        rows = np.concatenate((rows, chosen + start), axis=1)
        best = np.argsort(ranks, axis=1)[:, :wide]
        ranks, rows = np.take_along_axis(ranks, best, 1), np.take_along_axis(rows, best, 1)
    exact = np.square(base[rows].astype(np.float64) - queries[:, None]).sum(axis=2)
    return np.take_along_axis(rows, np.argsort(exact, axis=1)[:, :K], 1)
