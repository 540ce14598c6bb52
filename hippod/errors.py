"""The one tree of errors that hippod reports, and the errors that end a process.

Every error that a client can see is a `HippodError`: a stable `code` (never renamed, listed in docs/protocol.md),
a message that names the field and the limit, and optional `details`. Each surface maps codes once: the native protocol
sends them as they are, `rest_type` and `http_status` are their REST form.

    HippodError
    ├── BadRequest               the bytes or the shape of the request are wrong
    ├── Rejected                 well formed, but refused; nothing of it was applied
    │   ├── InvalidName, LimitExceeded, TypeMismatch, InvalidVector, FilterError
    │   ├── NotFound             DatabaseNotFound, TableNotFound, AliasNotFound, FieldNotFound, IndexNotFound, PartitionNotFound,
    │   │                        TemplateNotFound, UserNotFound, JobNotFound
    │   ├── AlreadyExists
    │   ├── WrongState           the object exists but cannot do this now: TableClosed
    │   └── StorageFull          the server is read-only until there is space again
    ├── AuthenticationFailed, PermissionDenied
    ├── RetryLater               overloaded or starting; the same call may succeed soon
    ├── DeadlineExceeded, Canceled
    ├── UnknownOutcome           the write may or may not be durable
    ├── DataCorrupt              stored bytes do not match their checksum
    └── Internal                 a defect of hippod; carries an id that is in the log

    ProcessExit                  ends the process with a sysexits code (ConfigurationError 78, DataDirectoryBusy 73, ...)
"""

from __future__ import annotations

from typing import ClassVar


class HippodError(Exception):
    """Base of everything a client can be told. `details` holds small msgpack-able values such as position or limit."""

    code: ClassVar[str] = "INTERNAL"
    rest_type: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, object] = details


class BadRequest(HippodError):
    code, rest_type, http_status = "BAD_REQUEST", "illegal_argument_exception", 400


class Rejected(HippodError):
    code, rest_type, http_status = "REJECTED", "illegal_argument_exception", 400


class InvalidName(Rejected):
    code, rest_type = "INVALID_NAME", "invalid_name_exception"


class LimitExceeded(Rejected):
    code, rest_type = "LIMIT_EXCEEDED", "illegal_argument_exception"


class TypeMismatch(Rejected):
    code, rest_type = "TYPE_MISMATCH", "illegal_argument_exception"


class InvalidVector(Rejected):
    code, rest_type = "INVALID_VECTOR", "illegal_argument_exception"


class FilterError(Rejected):
    """A filter expression that does not parse or type-check; `details["column"]` is the 1-based column in its text."""

    code, rest_type = "FILTER_ERROR", "parse_exception"


class NotFound(Rejected):
    code, rest_type, http_status = "NOT_FOUND", "not_found", 404


class DatabaseNotFound(NotFound):
    code, rest_type = "DATABASE_NOT_FOUND", "database_not_found"


class TableNotFound(NotFound):
    code, rest_type = "TABLE_NOT_FOUND", "table_not_found"


class AliasNotFound(NotFound):
    code, rest_type = "ALIAS_NOT_FOUND", "alias_not_found"


class FieldNotFound(NotFound):
    code, rest_type, http_status = "FIELD_NOT_FOUND", "illegal_argument_exception", 400


class IndexNotFound(NotFound):
    code, rest_type = "INDEX_NOT_FOUND", "index_not_found"


class PartitionNotFound(NotFound):
    code, rest_type = "PARTITION_NOT_FOUND", "partition_not_found"


class TemplateNotFound(NotFound):
    code, rest_type = "TEMPLATE_NOT_FOUND", "template_not_found"


class UserNotFound(NotFound):
    code, rest_type = "USER_NOT_FOUND", "user_not_found"


class JobNotFound(NotFound):
    code, rest_type = "JOB_NOT_FOUND", "job_not_found"


class AlreadyExists(Rejected):
    code, rest_type, http_status = "ALREADY_EXISTS", "already_exists", 409


class WrongState(Rejected):
    code, rest_type, http_status = "WRONG_STATE", "illegal_state_exception", 409


class TableClosed(WrongState):
    code, rest_type, http_status = "TABLE_CLOSED", "table_closed", 400


class StorageFull(Rejected):
    code, rest_type, http_status = "STORAGE_FULL", "storage_full", 503


class AuthenticationFailed(HippodError):
    code, rest_type, http_status = "AUTHENTICATION_FAILED", "security_exception", 401


class PermissionDenied(HippodError):
    code, rest_type, http_status = "PERMISSION_DENIED", "security_exception", 403


class RetryLater(HippodError):
    code, rest_type, http_status = "RETRY_LATER", "overloaded", 429


class DeadlineExceeded(HippodError):
    code, rest_type, http_status = "DEADLINE_EXCEEDED", "timeout_exception", 503


class Canceled(HippodError):
    code, rest_type, http_status = "CANCELED", "canceled", 409


class UnknownOutcome(HippodError):
    code, rest_type, http_status = "UNKNOWN_OUTCOME", "unknown_outcome", 500


class DataCorrupt(HippodError):
    code, rest_type, http_status = "DATA_CORRUPT", "data_corrupt", 500


class Internal(HippodError):
    code, rest_type, http_status = "INTERNAL", "internal_error", 500


class ProcessExit(Exception):
    """Ends the process with `exit_code` after printing the message; never sent to a client."""

    exit_code: ClassVar[int] = 70


class UsageError(ProcessExit):
    exit_code = 64


class DamagedData(ProcessExit):
    """The data directory contradicts itself; starting would hide the damage."""

    exit_code = 65


class DataDirectoryBusy(ProcessExit):
    """Another process holds the directory, or it cannot be created."""

    exit_code = 73


class DiskFailure(ProcessExit):
    """A write or sync of durable state failed; going on could acknowledge what is not there."""

    exit_code = 74


class NoPermission(ProcessExit):
    exit_code = 77


class ConfigurationError(ProcessExit):
    exit_code = 78
