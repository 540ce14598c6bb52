"""Requests and results about looking after tables: statistics, warming up, compaction, caches."""

from __future__ import annotations

import msgspec

from hippod.engine.operations.base import DEFAULT_DATABASE, Operation, Result


class AnalyzeTable(Operation, frozen=True, tag="analyze_table"):
    """Compute the statistics of a table's fields (`fields` empty: all), in a job; `get_statistics` has them then.

    Tablets that have not changed since keep those they have, unless `refresh`. `wait` as in activate_index.
    """

    table: str
    fields: list[str] = []
    refresh: bool = False
    wait: bool = True
    database: str = DEFAULT_DATABASE


class GetStatistics(Operation, frozen=True, tag="get_statistics"):
    """The statistics that the last analyze_table since the start left for `fields` (empty: all that there are). WRONG_STATE without."""

    is_read = True
    table: str
    fields: list[str] = []
    database: str = DEFAULT_DATABASE


class FieldStatistics(msgspec.Struct, frozen=True):
    """`keys`: living cells that are not null; `distinct` values among them; `null_frequency` from 0.0 to 1.0. `correlation` of the
    order of the values with the order of the rows, from -1.0 to 1.0; 0.0 for arrays, vectors and where all values are equal."""

    field: str
    keys: int
    distinct: int
    null_frequency: float
    correlation: float


class TabletStatistics(msgspec.Struct, frozen=True):
    """Of one tablet, by the order of its fields; `is_current`: no write has changed it since."""

    tablet: int
    is_current: bool
    fields: list[FieldStatistics]


class TableStatistics(Result, frozen=True):
    """By tablet number."""

    tablets: list[TabletStatistics]


class WarmUpTable(Operation, frozen=True, tag="warm_up_table"):
    """Read all vectors and columns of a table once, in a job, so that the next searches find them in memory. `wait` as in
    activate_index."""

    table: str
    wait: bool = True
    database: str = DEFAULT_DATABASE


class CompactTable(Operation, frozen=True, tag="compact_table"):
    """Rewrite the blocks of a table in the store that have dead rows, in a job; `rows` of the job counts the dead that went. The
    server does this by itself where half of a block is dead. `wait` as in activate_index."""

    table: str
    wait: bool = True
    database: str = DEFAULT_DATABASE


class DropCaches(Operation, frozen=True, tag="drop_caches"):
    """Forget the results of filters of all tables, and let the system drop pages of the store's file that it has cached; with
    `indexes` also those of saved indexes and vector files. Pages in use stay."""

    indexes: bool = False
