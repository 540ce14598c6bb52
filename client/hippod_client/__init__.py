"""A client for hippod servers: `Client` for asyncio, `hippod_client.sync.Client` for everything else."""

from hippod_client.client import Client
from hippod_client.errors import HippodError
from hippod_client.results import Hit, Hits, IndexInfo, JobInfo, RowFailure, Rows, SearchResult, StatusInfo, TableInfo, WriteResult
from hippod_client.schema import DataType, Field

__all__ = [
    "Client",
    "DataType",
    "Field",
    "HippodError",
    "Hit",
    "Hits",
    "IndexInfo",
    "JobInfo",
    "RowFailure",
    "Rows",
    "SearchResult",
    "StatusInfo",
    "TableInfo",
    "WriteResult",
]
