"""A client for hippod servers: `Client` for asyncio, `hippod_client.sync.Client` for everything else."""

from hippod_client.aio.client import Client
from hippod_client.definitions import (
    AliasInfo,
    FieldStatistics,
    GrantInfo,
    PrivilegesInfo,
    RemoteSource,
    ScalarIndexInfo,
    TableInfo,
    TabletStatistics,
    TemplateInfo,
    TrashedTable,
    UserInfo,
)
from hippod_client.errors import HippodError
from hippod_client.found_rows import FoundRow, MultiSearchResult
from hippod_client.partitions import Partition, PartitionInfo, Partitioning, PartitioningInfo
from hippod_client.recall import AuditedPromise, MeasuredCurve, RecallInfo
from hippod_client.results import Hit, Hits, IndexInfo, JobInfo, RowFailure, Rows, SearchResult, StatusInfo, WriteResult
from hippod_client.schema import DataType, Field
from hippod_client.searches import PartialSearch, StoredVectors
from hippod_client.sparse import SparseVectors

__all__ = [
    "AliasInfo",
    "AuditedPromise",
    "Client",
    "DataType",
    "Field",
    "FieldStatistics",
    "FoundRow",
    "GrantInfo",
    "HippodError",
    "Hit",
    "Hits",
    "IndexInfo",
    "JobInfo",
    "MeasuredCurve",
    "MultiSearchResult",
    "PartialSearch",
    "Partition",
    "PartitionInfo",
    "Partitioning",
    "PartitioningInfo",
    "PrivilegesInfo",
    "RecallInfo",
    "RemoteSource",
    "RowFailure",
    "Rows",
    "ScalarIndexInfo",
    "SearchResult",
    "SparseVectors",
    "StatusInfo",
    "StoredVectors",
    "TableInfo",
    "TabletStatistics",
    "TemplateInfo",
    "TrashedTable",
    "UserInfo",
    "WriteResult",
]
