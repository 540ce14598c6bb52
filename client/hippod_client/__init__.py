"""A client for hippod servers: `Client` for asyncio, `hippod_client.sync.Client` for everything else."""

from hippod_client.aio.client import Client
from hippod_client.definitions import AliasInfo, GrantInfo, PrivilegesInfo, TemplateInfo, TrashedTable, UserInfo
from hippod_client.errors import HippodError
from hippod_client.recall import AuditedPromise, MeasuredCurve, RecallInfo
from hippod_client.results import Hit, Hits, IndexInfo, JobInfo, RowFailure, Rows, SearchResult, StatusInfo, TableInfo, WriteResult
from hippod_client.schema import DataType, Field
from hippod_client.searches import PartialSearch
from hippod_client.sparse import SparseVectors

__all__ = [
    "AliasInfo",
    "AuditedPromise",
    "Client",
    "DataType",
    "Field",
    "GrantInfo",
    "HippodError",
    "Hit",
    "Hits",
    "IndexInfo",
    "JobInfo",
    "MeasuredCurve",
    "PartialSearch",
    "PrivilegesInfo",
    "RecallInfo",
    "RowFailure",
    "Rows",
    "SearchResult",
    "SparseVectors",
    "StatusInfo",
    "TableInfo",
    "TemplateInfo",
    "TrashedTable",
    "UserInfo",
    "WriteResult",
]
