"""Partitions of tables."""

from __future__ import annotations

from collections.abc import Iterable

from hippod_client.partitions import Partition
from hippod_client.requests.base import Request, done


def add_partitions(database: str, table: str, partitions: Iterable[Partition]) -> Request[None]:
    sent = [partition.to_wire() for partition in partitions]
    return Request({"op": "add_partitions", "table": table, "partitions": sent, "database": database}, done)


def drop_partitions(database: str, table: str, names: Iterable[str]) -> Request[None]:
    return Request({"op": "drop_partitions", "table": table, "names": list(names), "database": database}, done)
