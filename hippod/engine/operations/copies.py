"""Requests about many rows at a time, carried out as jobs: copied from table to table, or removed."""

from __future__ import annotations

import enum

import msgspec

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation


class WriteMode(enum.StrEnum):
    """How copied rows enter a table; each as the operation of that name."""

    INSERT = "insert"
    UPDATE = "update"
    UPSERT = "upsert"


class RemoteSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another server that speaks Hippo's REST API: `hosts` as host:port, tried in order, with a user and password of that server."""

    hosts: list[str]
    user: str
    password: str


class CopyByQuery(Operation, frozen=True, tag="copy_by_query"):
    """Copy rows that match `filter` (empty: all) from `table` to `to_table`, in a job.

    `fields` None means all; `to_fields` are the names that they have in the destination, in the same order, if they differ. Rows are
    copied as they are when their turn comes; those that a write of `mode` refuses are counted, and let the job fail at its end: the
    others stay. With `remote`, `table` and `database` are of that server. `wait` as in activate_index.
    """

    table: str
    to_table: str
    mode: WriteMode = WriteMode.INSERT
    fields: list[str] | None = None
    to_fields: list[str] | None = None
    filter: str = ""
    remote: RemoteSource | None = None
    wait: bool = True
    database: str = DEFAULT_DATABASE
    to_database: str = DEFAULT_DATABASE


class DeleteMatching(Operation, frozen=True, tag="delete_matching"):
    """What delete_by_query does, in a job that can be watched and canceled. `wait` as in activate_index."""

    table: str
    filter: str
    wait: bool = True
    database: str = DEFAULT_DATABASE
