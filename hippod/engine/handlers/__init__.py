"""One function per operation, in files named as the operations' are. `HANDLERS` is the whole table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hippod.engine import operations as ops
from hippod.engine.handlers import aliases, copies, databases, distances, indexes, jobs, partitions, queries, rows, status, tables

HANDLERS: Final[dict[type[ops.Operation], Callable[[Any, Any, float | None], Any]]] = {
    ops.CreateDatabase: databases.create_database,
    ops.DropDatabase: databases.drop_database,
    ops.ListDatabases: databases.list_databases,
    ops.CreateTable: tables.create_table,
    ops.RenameTable: tables.rename_table,
    ops.DropTable: tables.drop_table,
    ops.RestoreTable: tables.restore_table,
    ops.PurgeTable: tables.purge_table,
    ops.ListTrash: tables.list_trash,
    ops.CloseTables: tables.close_tables,
    ops.OpenTables: tables.open_tables,
    ops.DescribeTable: tables.describe_table,
    ops.DescribeTables: tables.describe_tables,
    ops.ListTables: tables.list_tables,
    ops.AddPartitions: partitions.add_partitions,
    ops.DropPartitions: partitions.drop_partitions,
    ops.ChangeAliases: aliases.change_aliases,
    ops.DropAlias: aliases.drop_alias,
    ops.ListAliases: aliases.list_aliases,
    ops.Insert: rows.write_rows,
    ops.Update: rows.write_rows,
    ops.Upsert: rows.write_rows,
    ops.Delete: rows.write_rows,
    ops.DeleteByQuery: rows.delete_by_query,
    ops.Get: rows.get,
    ops.CopyByQuery: copies.copy_by_query,
    ops.DeleteMatching: copies.delete_matching,
    ops.Query: queries.query,
    ops.Count: queries.count,
    ops.Search: queries.search,
    ops.MultiSearch: queries.multi_search,
    ops.Distance: distances.distance,
    ops.CreateIndex: indexes.create_index,
    ops.ActivateIndex: indexes.activate_index,
    ops.RebuildIndex: indexes.rebuild_index,
    ops.LoadIndex: indexes.load_index,
    ops.ReleaseIndex: indexes.release_index,
    ops.DropIndex: indexes.drop_index,
    ops.ListIndexes: indexes.list_indexes,
    ops.GetJob: jobs.get_job,
    ops.ListJobs: jobs.list_jobs,
    ops.CancelJob: jobs.cancel_job,
    ops.GetStatus: status.get_status,
}
