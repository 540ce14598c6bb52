"""Every operation as a pure function: arguments -> `Request`, which knows its bytes and how to read its reply.

Both clients send these, so that an operation has one form and one place. One module a noun, as in docs/protocol.md.
"""

from hippod_client.requests.aliases import add_alias, drop_alias, list_aliases, remove_alias
from hippod_client.requests.base import Request
from hippod_client.requests.copies import copy_by_query, delete_matching
from hippod_client.requests.databases import create_database, drop_database, list_databases
from hippod_client.requests.fields import add_fields, drop_fields, rename_fields
from hippod_client.requests.indexes import (
    activate_index,
    compact_index,
    create_index,
    describe_recall,
    drop_index,
    list_indexes,
    load_index,
    rebuild_index,
    release_index,
    set_auto_compaction,
)
from hippod_client.requests.jobs import cancel_job, get_job, list_jobs
from hippod_client.requests.maintenance import analyze_table, compact_table, drop_caches, get_statistics, warm_up_table
from hippod_client.requests.partitions import add_partitions, drop_partitions
from hippod_client.requests.privileges import grant, revoke, table_privileges, user_privileges
from hippod_client.requests.queries import count, distance, hybrid_search, multi_search, query, query_page, search, search_page
from hippod_client.requests.rows import delete, delete_by_query, get, insert, update, upsert
from hippod_client.requests.scalar_indexes import create_scalar_index, drop_scalar_index, list_scalar_indexes
from hippod_client.requests.settings import change_settings, get_settings
from hippod_client.requests.status import status
from hippod_client.requests.tables import (
    close_tables,
    create_table,
    describe_table,
    describe_tables,
    drop_table,
    list_tables,
    list_trash,
    open_tables,
    purge_table,
    rename_table,
    restore_table,
)
from hippod_client.requests.templates import drop_template, list_templates, put_template
from hippod_client.requests.users import alter_user, create_user, describe_user, drop_user, list_users

__all__ = [
    "Request",
    "activate_index",
    "add_alias",
    "add_fields",
    "add_partitions",
    "alter_user",
    "analyze_table",
    "cancel_job",
    "change_settings",
    "close_tables",
    "compact_index",
    "compact_table",
    "copy_by_query",
    "count",
    "create_database",
    "create_index",
    "create_scalar_index",
    "create_table",
    "create_user",
    "delete",
    "delete_by_query",
    "delete_matching",
    "describe_recall",
    "describe_table",
    "describe_tables",
    "describe_user",
    "distance",
    "drop_alias",
    "drop_caches",
    "drop_database",
    "drop_fields",
    "drop_index",
    "drop_partitions",
    "drop_scalar_index",
    "drop_table",
    "drop_template",
    "drop_user",
    "get",
    "get_job",
    "get_settings",
    "get_statistics",
    "grant",
    "hybrid_search",
    "insert",
    "list_aliases",
    "list_databases",
    "list_indexes",
    "list_jobs",
    "list_scalar_indexes",
    "list_tables",
    "list_templates",
    "list_trash",
    "list_users",
    "load_index",
    "multi_search",
    "open_tables",
    "purge_table",
    "put_template",
    "query",
    "query_page",
    "rebuild_index",
    "release_index",
    "remove_alias",
    "rename_fields",
    "rename_table",
    "restore_table",
    "revoke",
    "search",
    "search_page",
    "set_auto_compaction",
    "status",
    "table_privileges",
    "update",
    "upsert",
    "user_privileges",
    "warm_up_table",
]
