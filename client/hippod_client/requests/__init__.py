"""Every operation as a pure function: arguments -> `Request`, which knows its bytes and how to read its reply.

Both clients send these, so that an operation has one form and one place. One module a noun, as in docs/protocol.md.
"""

from hippod_client.requests.base import Request
from hippod_client.requests.databases import create_database, drop_database, list_databases
from hippod_client.requests.indexes import activate_index, create_index, drop_index, list_indexes, load_index, rebuild_index, release_index
from hippod_client.requests.jobs import cancel_job, get_job, list_jobs
from hippod_client.requests.queries import count, query, search
from hippod_client.requests.rows import delete, delete_by_query, get, insert, update, upsert
from hippod_client.requests.status import status
from hippod_client.requests.tables import create_table, describe_table, drop_table, list_tables

__all__ = [
    "Request",
    "activate_index",
    "cancel_job",
    "count",
    "create_database",
    "create_index",
    "create_table",
    "delete",
    "delete_by_query",
    "describe_table",
    "drop_database",
    "drop_index",
    "drop_table",
    "get",
    "get_job",
    "insert",
    "list_databases",
    "list_indexes",
    "list_jobs",
    "list_tables",
    "load_index",
    "query",
    "rebuild_index",
    "release_index",
    "search",
    "status",
    "update",
    "upsert",
]
