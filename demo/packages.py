"""The demo's data set (demo/data/README.md) as arrays and lists."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_DATA = Path(__file__).parent / "data"


class Records(NamedTuple):
    """`rows` are dicts; `vectors` float32 (rows, 384), unit length."""

    rows: list[dict[str, Any]]
    vectors: npt.NDArray[np.float32]

    def columns(self, start: int, stop: int) -> dict[str, Any]:
        """Some rows in columns, as the client takes them."""
        rows = self.rows[start:stop]
        return {**{field: [row[field] for row in rows] for field in rows[0]}, "embedding": self.vectors[start:stop]}


def packages() -> Records:
    return _load("packages")


def queries() -> Records:
    return _load("queries")


def _load(name: str) -> Records:
    with gzip.open(_DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    vectors = np.load(_DATA / f"{name}.f16.npy").astype(np.float32)
    return Records(rows, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
