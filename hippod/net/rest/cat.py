"""Routes of /_cat: tables of plain text for people, and for clients that split lines at blanks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from hippod.engine.operations import (
    AliasList,
    DescribeTables,
    GetStatus,
    JobList,
    ListAliases,
    ListJobs,
    ListTrash,
    StatusInfo,
    TableInfo,
    TableInfos,
    TrashList,
)
from hippod.engine.patterns import check_patterns, name_matcher
from hippod.net.rest.body import NoBody
from hippod.net.rest.envelope import Text, job_status
from hippod.net.rest.routes import Call, Route
from hippod.net.rest.text_table import CatQuery, text_table


class CatTablesQuery(CatQuery, frozen=True):
    """`ignore_aliases=false`: a line for each alias, too."""

    ignore_aliases: bool = True


class CatDatabaseQuery(CatQuery, frozen=True):
    """`all_databases`: whatever `database_name` says."""

    all_databases: bool = False


def _pattern(path: Mapping[str, str]) -> str:
    return path.get("pattern", "*")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def tables(call: Call[CatTablesQuery, NoBody]) -> Text:
    query = call.query
    found: TableInfos = await call.execute(DescribeTables(_pattern(call.path), query.database_name))
    rows = [_table_row(info, info.table, "table") for info in found.tables]
    if not query.ignore_aliases:
        rows += [_table_row(info, alias, "alias") for info in found.tables for alias in info.aliases]
    header = ("table", "database", "table_id", "kind", "state", "shards", "replicas", "rows")
    return text_table(header, rows, query)


def _table_row(info: TableInfo, name: str, kind: str) -> tuple[object, ...]:
    return name, info.database, info.id, kind, info.state, info.tablets, info.settings["number_of_replicas"], info.rows


async def shards(call: Call[CatQuery, NoBody]) -> Text:
    """The tablets of tables: one copy of each is here; further replicas have no other node to be on."""
    found: TableInfos = await call.execute(DescribeTables(_pattern(call.path), call.query.database_name))
    rows: list[tuple[object, ...]] = []
    for info in found.tables:
        name = f"{info.database}#{info.table}"
        state = "STARTED" if info.state == "open" else "CLOSED"
        parts: list[tuple[str | None, int]] = [(None, tablet) for tablet in range(info.tablets)]
        if info.partitioning is not None:
            parts = [(partition.name, tablet) for partition in info.partitioning.partitions for tablet in partition.tablets]
        for partition, tablet in parts:
            rows.append((name, tablet, partition, "leader", state, call.server))
            replicas = range(1, int(info.settings["number_of_replicas"]))
            rows += [(name, tablet, partition, f"replica{number}", "UNASSIGNED", None) for number in replicas]
    return text_table(("table", "shard", "partition", "replica", "state", "node"), rows, call.query)


async def aliases(call: Call[CatQuery, NoBody]) -> Text:
    """Of all databases: the cell of the table names its own."""
    found: AliasList = await call.execute(ListAliases(_pattern(call.path), None))
    rows = [
        (alias.alias, f"{alias.database}#{table}", "true" if table == alias.write_table or len(alias.tables) == 1 else "false")
        for alias in found.aliases
        for table in alias.tables
    ]
    return text_table(("alias", "index", "is_write_table"), rows, call.query)


async def trash(call: Call[CatDatabaseQuery, NoBody]) -> Text:
    database = None if call.query.all_databases else call.query.database_name
    found: TrashList = await call.execute(ListTrash(database))
    rows = [(t.table, t.database, t.id, t.rows, _time(t.dropped), _time(t.expires)) for t in found.tables]
    return text_table(("table", "database", "table_id", "rows", "drop_time", "expire_time"), rows, call.query)


async def jobs(call: Call[CatQuery, NoBody]) -> Text:
    """Of all databases, in the order in which they were started."""
    found: JobList = await call.execute(ListJobs())
    rows = [
        (job.id, job_status(job), f"hippo/{job.action}", job.database, job.table, job.index, job.progress, job.stage, _time(job.started))
        for job in found.jobs
    ]
    header = ("job_id", "job_status", "action", "database", "table", "index", "progress", "stage", "start_time")
    return text_table(header, rows, call.query)


_NODE_COLUMNS: Final[dict[str, Callable[[StatusInfo, str], object]]] = {
    "id": lambda status, _: status.server_id,
    "name": lambda _, server: server,
    "role": lambda *_: "master",
    "mode": lambda status, _: status.mode,
    "version": lambda status, _: status.version,
    "uptime_s": lambda status, _: round(status.uptime_s),
    "tables": lambda status, _: status.tables,
    "rows": lambda status, _: status.rows,
    "index_hosts": lambda status, _: status.index_hosts,
}


async def nodes(call: Call[CatQuery, NoBody]) -> Text:
    """The one node, if the pattern means its name (host:port, or the host alone) or its id."""
    status: StatusInfo = await call.execute(GetStatus())
    means = name_matcher(check_patterns(_pattern(call.path).replace(":", "-")))
    names = (call.server.replace(":", "-"), call.server.rpartition(":")[0], status.server_id)
    rows = [[column(status, call.server) for column in _NODE_COLUMNS.values()]] if any(map(means, names)) else []
    return text_table(tuple(_NODE_COLUMNS), rows, call.query)


async def master(call: Call[CatQuery, NoBody]) -> Text:
    status: StatusInfo = await call.execute(GetStatus())
    return text_table(("id", "host", "node"), [(status.server_id, call.server.rpartition(":")[0], call.server)], call.query)


async def health(call: Call[CatQuery, NoBody]) -> Text:
    """`green` when everything works, `red` while writes are refused or wait for the disk."""
    status: StatusInfo = await call.execute(GetStatus())
    colour = "green" if status.mode == "ready" else "red"
    row = (round(time.time()), colour, status.mode, 1, status.tables, status.rows)
    return text_table(("epoch", "status", "mode", "nodes", "tables", "rows"), [row], call.query)


ROUTES: Final = (
    Route("GET", "/_cat/tables", tables, "The tables of a database"),
    Route("GET", "/_cat/tables/{pattern}", tables, "The tables that a pattern means"),
    Route("GET", "/_cat/shards", shards, "The tablets of all tables of a database"),
    Route("GET", "/_cat/shards/{pattern}", shards, "The tablets of the tables that a pattern means"),
    Route("GET", "/_cat/aliases", aliases, "All aliases with their tables"),
    Route("GET", "/_cat/aliases/{pattern}", aliases, "The aliases that a pattern means"),
    Route("GET", "/_cat/trash", trash, "The tables in the trash"),
    Route("GET", "/_cat/jobs", jobs, "All jobs"),
    Route("GET", "/_cat/nodes", nodes, "The node"),
    Route("GET", "/_cat/nodes/{pattern}", nodes, "The nodes that a pattern means"),
    Route("GET", "/_cat/master", master, "The node that leads"),
    Route("GET", "/_cat/health", health, "Whether the server is well"),
)
