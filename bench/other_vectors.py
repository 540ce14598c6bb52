"""The packages by other vectors than their embeddings: by the signs of these as bits, and by the words of their descriptions.

What takes time to make, the exact answers and the words, is made once and kept in `bench/.cache`.
"""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.data import CACHE, NO_ID, PACKAGES, VECTOR_FIELD, DataSet, Ids, K, Packages, Restriction
from demo import packages as demo
from hippod_client import DataType, Field, SparseVectors

Bits = npt.NDArray[np.uint8]
Arrays = dict[str, npt.NDArray[Any]]

_WORD: Final = re.compile(r"[a-z0-9]+")
# Okapi BM25 with the constants of its authors (Robertson, Walker, Beaulieu 1998): how soon a word that is repeated counts no more, and
# how much the length of a text counts.
_SATURATION: Final = 1.2
_LENGTH_WEIGHT: Final = 0.75
_SAME_SCORE: Final = 1e-5


@dataclass(frozen=True)
class Signs:
    """A bit for each component of an embedding: whether it is positive."""

    packages: Packages

    @property
    def title(self) -> str:
        return f"{self.packages.name} x 384 bits, hamming"

    @property
    def metric(self) -> str:
        return "hamming"

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*self.packages.fields[:-1], Field(VECTOR_FIELD, DataType.BINARY_VECTOR, dimension=384))

    @property
    def index_params(self) -> dict[str, int]:
        return self.packages.index_params

    @property
    def search_params(self) -> dict[str, int]:
        return {"nprobe": self.packages.search_params["nprobe"]}

    def open(self) -> DataSet:
        data = self.packages.open()
        base, queries = (np.packbits(vectors > 0, axis=1) for vectors in (data.base, data.queries))
        kept = _kept(f"signs-{zlib.crc32(base.tobytes()):08x}", lambda: {"truth": nearest_by_hamming(base, queries)})
        return data._replace(base=base, queries=queries, truth=_ids(data, kept["truth"]))

    def columns(self, data: DataSet, start: int, stop: int) -> dict[str, Any]:
        return self.packages.columns(data, start, stop)

    def restrictions(self, data: DataSet) -> list[Restriction]:
        return self.packages.restrictions(data)


@dataclass(frozen=True)
class Words:
    """The words of the descriptions, weighted by BM25, and those of other packages' summaries as queries: an index for each word."""

    packages: Packages

    @property
    def title(self) -> str:
        return f"words of {self.packages.name}, ip"

    @property
    def metric(self) -> str:
        return "ip"

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*self.packages.fields[:-1], Field(VECTOR_FIELD, DataType.SPARSE_FLOAT_VECTOR))

    @property
    def index_params(self) -> dict[str, int]:
        return {}

    @property
    def search_params(self) -> dict[str, int]:
        return {}

    def open(self) -> DataSet:
        data = self.packages.open()
        kept = _kept(f"words-{zlib.crc32(data.base.tobytes()):08x}", self._made)
        base, queries = (
            SparseVectors(*(kept[f"{side}_{part}"] for part in ("indptr", "indices", "values"))) for side in ("base", "queries")
        )
        return data._replace(base=base, queries=queries, truth=_ids(data, kept["truth"]))

    def columns(self, data: DataSet, start: int, stop: int) -> dict[str, Any]:
        return self.packages.columns(data, start, stop)

    def restrictions(self, data: DataSet) -> list[Restriction]:
        return self.packages.restrictions(data)

    def _made(self) -> Arrays:
        base, queries = weighted(*self._texts())
        truth = nearest_by_words(base, queries)
        answered = np.flatnonzero((truth >= 0).sum(axis=1) >= K)
        chosen = SparseVectors.of([queries[at] for at in answered.tolist()])
        sides = {"base": base, "queries": chosen}
        arrays = {f"{side}_{part}": getattr(vectors, part) for side, vectors in sides.items() for part in ("indptr", "indices", "values")}
        return {**arrays, "truth": truth[answered]}

    def _texts(self) -> tuple[list[str], list[str]]:
        """The descriptions of the rows, and the summaries that are asked for."""
        if self.packages.directory is None:
            return [row["description"] for row in demo.packages().rows], [row["summary"] for row in demo.queries().rows]
        from pyarrow import parquet

        rows, queries = (self.packages.directory / f"{PACKAGES}.{name}.parquet" for name in ("rows", "queries"))
        return (
            parquet.read_table(rows, columns=["description"])["description"].to_pylist(),
            parquet.read_table(queries, columns=["summary"])["summary"].to_pylist(),
        )


def weighted(texts: list[str], queries: list[str]) -> tuple[SparseVectors, SparseVectors]:
    """Texts and queries by their words, so that their inner product is the score of BM25."""
    counts = [Counter(_WORD.findall(text.lower())) for text in texts]
    spread = Counter(word for words in counts for word in words)
    place = {word: at for at, word in enumerate(sorted(spread))}
    mean = sum(words.total() for words in counts) / len(counts)
    rows = []
    for words in counts:
        least = _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * words.total() / mean)
        rows.append({place[word]: times * (_SATURATION + 1) / (times + least) for word, times in words.items()})
    rarity = {word: float(np.log1p((len(texts) - often + 0.5) / (often + 0.5))) for word, often in spread.items()}
    asked = [{place[word]: rarity[word] for word in _WORD.findall(query.lower()) if word in place} for query in queries]
    return SparseVectors.of(rows), SparseVectors.of(asked)


def nearest_by_hamming(base: Bits, queries: Bits) -> Ids:
    """Of each query all rows that are as near as the K-th nearest, filled up with NO_ID."""
    words, asked = base.view(np.uint64), queries.view(np.uint64)
    return _as_near(lambda at: -np.bitwise_count(words ^ asked[at]).sum(axis=1, dtype=np.int64).astype(np.float64), len(queries))


def nearest_by_words(base: SparseVectors, queries: SparseVectors) -> Ids:
    """Of each query all rows with a word of it that score as high as the K-th best, filled up with NO_ID."""
    order = np.argsort(base.indices, kind="stable")
    rows = np.repeat(np.arange(len(base)), np.diff(base.indptr))[order]
    values, starts = base.values[order].astype(np.float64), np.searchsorted(base.indices[order], np.arange(int(base.indices.max()) + 2))

    def scores(at: int) -> npt.NDArray[np.float64]:
        found = np.full(len(base), -np.inf)
        for word, weight in queries[at].items():
            part = slice(starts[word], starts[word + 1])
            found[rows[part]] = np.maximum(found[rows[part]], 0) + weight * values[part]
        return found

    return _as_near(scores, len(queries))


def _as_near(scores: Callable[[int], npt.NDArray[np.float64]], queries: int) -> Ids:
    """The rows whose `scores` for a query are those of its K best or equal to the last of them; -inf: not found at all."""
    found: list[Ids] = []
    for at in range(queries):
        likeness = scores(at)
        last = np.partition(likeness, -K)[-K]
        least = last - _SAME_SCORE * abs(last) if np.isfinite(last) else np.inf
        found.append(np.flatnonzero(likeness >= least))
    out = np.full((queries, max(map(len, found))), NO_ID, np.int64)
    for row, places in zip(out, found, strict=True):
        row[: len(places)] = places
    return out


def _ids(data: DataSet, places: Ids) -> Ids:
    return np.where(places >= 0, data.ids[places], NO_ID)


def _kept(name: str, make: Callable[[], Arrays]) -> Arrays:
    """What `make` gave when it was first asked, from a file."""
    path = CACHE / f"{name}.npz"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        building = path.with_name(f"{name}.{os.getpid()}.npz")
        np.savez(building, **make())  # type: ignore[arg-type]  # no array is named like an option of it
        building.replace(path)
    with np.load(path) as arrays:
        return dict(arrays)
