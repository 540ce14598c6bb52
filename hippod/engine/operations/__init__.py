"""Every thing the server can do: one typed request with one typed result, one file a noun. `AnyOperation` is the union of all."""

from hippod.engine.operations.aliases import AddAlias, AliasInfo, AliasList, ChangeAliases, DropAlias, ListAliases, RemoveAlias
from hippod.engine.operations.base import DEFAULT_DATABASE, Done, Operation, Result
from hippod.engine.operations.copies import CopyByQuery, DeleteMatching, RemoteSource, WriteMode
from hippod.engine.operations.databases import CreateDatabase, DatabaseList, DropDatabase, ListDatabases
from hippod.engine.operations.distances import Distance, DistanceResult, GivenVectors, StoredVectors
from hippod.engine.operations.fields import AddFields, DropFields, RenameFields
from hippod.engine.operations.hybrid_search import Fusion, HybridSearch, HybridSearchResult, PartialSearch
from hippod.engine.operations.indexes import (
    ActivateIndex,
    CompactIndex,
    CreateIndex,
    DropIndex,
    IndexInfo,
    IndexList,
    IndexState,
    IndexType,
    ListIndexes,
    LoadIndex,
    Metric,
    RebuildIndex,
    ReleaseIndex,
    SetAutoCompaction,
)
from hippod.engine.operations.jobs import CancelJob, GetJob, JobInfo, JobList, JobStatus, ListJobs
from hippod.engine.operations.maintenance import (
    AnalyzeTable,
    CompactTable,
    DropCaches,
    FieldStatistics,
    GetStatistics,
    TableStatistics,
    TabletStatistics,
    WarmUpTable,
)
from hippod.engine.operations.multi_search import MultiSearch, MultiSearchResult
from hippod.engine.operations.partitions import (
    AddPartitions,
    DropPartitions,
    Partition,
    PartitionInfo,
    Partitioning,
    PartitioningInfo,
    PartitionKind,
)
from hippod.engine.operations.plans import Plan, Profile, SearchWay, TabletPlan, TabletProfile
from hippod.engine.operations.privileges import (
    GetTablePrivileges,
    GetUserPrivileges,
    GrantInfo,
    GrantPrivileges,
    Privilege,
    PrivilegeList,
    PrivilegesInfo,
    RevokePrivileges,
)
from hippod.engine.operations.queries import Count, CountResult, Query, QueryResult, Search, SearchResult
from hippod.engine.operations.recall import AuditedPromise, DescribeRecall, MeasuredCurve, RecallInfo
from hippod.engine.operations.rows import Delete, DeleteByQuery, Get, GetResult, Insert, RowFailure, Update, Upsert, WriteResult
from hippod.engine.operations.scalar_indexes import (
    CreateScalarIndex,
    DropScalarIndex,
    ListScalarIndexes,
    ScalarIndexInfo,
    ScalarIndexList,
)
from hippod.engine.operations.search_pages import SearchPage, SearchPageResult
from hippod.engine.operations.settings import ChangeSettings, GetSettings, SettingsList, TableSettings
from hippod.engine.operations.status import GetStatus, StatusInfo
from hippod.engine.operations.tables import (
    CloseTables,
    CreateTable,
    DescribeTable,
    DescribeTables,
    DropTable,
    GetSchema,
    ListTables,
    ListTrash,
    OpenTables,
    PurgeTable,
    RenameTable,
    RestoreTable,
    TableInfo,
    TableInfos,
    TableList,
    TableSchema,
    TrashedTable,
    TrashList,
)
from hippod.engine.operations.templates import DropTemplate, ListTemplates, PutTemplate, TemplateIndex, TemplateInfo, TemplateList
from hippod.engine.operations.users import AlterUser, CreateUser, DescribeUser, DropUser, ListUsers, UserInfo, UserList

AnyOperation = (
    CreateDatabase
    | DropDatabase
    | ListDatabases
    | CreateTable
    | RenameTable
    | DropTable
    | RestoreTable
    | PurgeTable
    | ListTrash
    | CloseTables
    | OpenTables
    | DescribeTable
    | DescribeTables
    | GetSchema
    | ListTables
    | AddFields
    | DropFields
    | RenameFields
    | ChangeSettings
    | GetSettings
    | AddPartitions
    | DropPartitions
    | ChangeAliases
    | DropAlias
    | ListAliases
    | Insert
    | Update
    | Upsert
    | Delete
    | DeleteByQuery
    | Get
    | CopyByQuery
    | DeleteMatching
    | Query
    | Count
    | Search
    | SearchPage
    | HybridSearch
    | MultiSearch
    | Distance
    | CreateIndex
    | ActivateIndex
    | RebuildIndex
    | CompactIndex
    | SetAutoCompaction
    | LoadIndex
    | ReleaseIndex
    | DropIndex
    | ListIndexes
    | CreateScalarIndex
    | DropScalarIndex
    | ListScalarIndexes
    | DescribeRecall
    | GetJob
    | ListJobs
    | CancelJob
    | AnalyzeTable
    | GetStatistics
    | WarmUpTable
    | CompactTable
    | DropCaches
    | PutTemplate
    | DropTemplate
    | ListTemplates
    | CreateUser
    | AlterUser
    | DropUser
    | DescribeUser
    | ListUsers
    | GrantPrivileges
    | RevokePrivileges
    | GetUserPrivileges
    | GetTablePrivileges
    | GetStatus
)

__all__ = [
    "DEFAULT_DATABASE",
    "ActivateIndex",
    "AddAlias",
    "AddFields",
    "AddPartitions",
    "AliasInfo",
    "AliasList",
    "AlterUser",
    "AnalyzeTable",
    "AnyOperation",
    "AuditedPromise",
    "CancelJob",
    "ChangeAliases",
    "ChangeSettings",
    "CloseTables",
    "CompactIndex",
    "CompactTable",
    "CopyByQuery",
    "Count",
    "CountResult",
    "CreateDatabase",
    "CreateIndex",
    "CreateScalarIndex",
    "CreateTable",
    "CreateUser",
    "DatabaseList",
    "Delete",
    "DeleteByQuery",
    "DeleteMatching",
    "DescribeRecall",
    "DescribeTable",
    "DescribeTables",
    "DescribeUser",
    "Distance",
    "DistanceResult",
    "Done",
    "DropAlias",
    "DropCaches",
    "DropDatabase",
    "DropFields",
    "DropIndex",
    "DropPartitions",
    "DropScalarIndex",
    "DropTable",
    "DropTemplate",
    "DropUser",
    "FieldStatistics",
    "Fusion",
    "Get",
    "GetJob",
    "GetResult",
    "GetSchema",
    "GetSettings",
    "GetStatistics",
    "GetStatus",
    "GetTablePrivileges",
    "GetUserPrivileges",
    "GivenVectors",
    "GrantInfo",
    "GrantPrivileges",
    "HybridSearch",
    "HybridSearchResult",
    "IndexInfo",
    "IndexList",
    "IndexState",
    "IndexType",
    "Insert",
    "JobInfo",
    "JobList",
    "JobStatus",
    "ListAliases",
    "ListDatabases",
    "ListIndexes",
    "ListJobs",
    "ListScalarIndexes",
    "ListTables",
    "ListTemplates",
    "ListTrash",
    "ListUsers",
    "LoadIndex",
    "MeasuredCurve",
    "Metric",
    "MultiSearch",
    "MultiSearchResult",
    "OpenTables",
    "Operation",
    "PartialSearch",
    "Partition",
    "PartitionInfo",
    "PartitionKind",
    "Partitioning",
    "PartitioningInfo",
    "Plan",
    "Privilege",
    "PrivilegeList",
    "PrivilegesInfo",
    "Profile",
    "PurgeTable",
    "PutTemplate",
    "Query",
    "QueryResult",
    "RebuildIndex",
    "RecallInfo",
    "ReleaseIndex",
    "RemoteSource",
    "RemoveAlias",
    "RenameFields",
    "RenameTable",
    "RestoreTable",
    "Result",
    "RevokePrivileges",
    "RowFailure",
    "ScalarIndexInfo",
    "ScalarIndexList",
    "Search",
    "SearchPage",
    "SearchPageResult",
    "SearchResult",
    "SearchWay",
    "SetAutoCompaction",
    "SettingsList",
    "StatusInfo",
    "StoredVectors",
    "TableInfo",
    "TableInfos",
    "TableList",
    "TableSchema",
    "TableSettings",
    "TableStatistics",
    "TabletPlan",
    "TabletProfile",
    "TabletStatistics",
    "TemplateIndex",
    "TemplateInfo",
    "TemplateList",
    "TrashList",
    "TrashedTable",
    "Update",
    "Upsert",
    "UserInfo",
    "UserList",
    "WarmUpTable",
    "WriteMode",
    "WriteResult",
]
