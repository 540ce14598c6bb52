"""Everything that a call can raise.

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
    ├── Internal                 a defect of the server; its message carries an id that is in the server's log
    ├── JobFailed                work that was waited for in steps has failed or was canceled
    ├── ConnectionLost           no connection, or it ended before the answer
    ├── ClientTimeout            no answer within the time allowed
    └── ProtocolError            the server sent what the protocol does not allow; also a `wire.errors.WireError`

All but the last four are codes of the server (docs/protocol.md). `LimitExceeded` and `TypeMismatch` are also raised here, for values
that cannot be sent. After a write, `error.outcome_unknown` says whether it may have been applied although the call failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from hippod_client.wire.errors import WireError


class HippodError(Exception):
    """Base of all. `code` is stable, `message` is for people, `details` holds small values such as position or limit."""

    code: str = "INTERNAL"
    outcome_unknown: bool = False

    def __init__(self, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, object] = dict(details or {})


class BadRequest(HippodError):
    code = "BAD_REQUEST"


class Rejected(HippodError):
    code = "REJECTED"


class InvalidName(Rejected):
    code = "INVALID_NAME"


class LimitExceeded(Rejected):
    code = "LIMIT_EXCEEDED"


class TypeMismatch(Rejected):
    code = "TYPE_MISMATCH"


class InvalidVector(Rejected):
    code = "INVALID_VECTOR"


class FilterError(Rejected):
    """`details["column"]` is the 1-based column in the text of the filter."""

    code = "FILTER_ERROR"


class NotFound(Rejected):
    code = "NOT_FOUND"


class DatabaseNotFound(NotFound):
    code = "DATABASE_NOT_FOUND"


class TableNotFound(NotFound):
    code = "TABLE_NOT_FOUND"


class AliasNotFound(NotFound):
    code = "ALIAS_NOT_FOUND"


class FieldNotFound(NotFound):
    code = "FIELD_NOT_FOUND"


class IndexNotFound(NotFound):
    code = "INDEX_NOT_FOUND"


class PartitionNotFound(NotFound):
    code = "PARTITION_NOT_FOUND"


class TemplateNotFound(NotFound):
    code = "TEMPLATE_NOT_FOUND"


class UserNotFound(NotFound):
    code = "USER_NOT_FOUND"


class JobNotFound(NotFound):
    code = "JOB_NOT_FOUND"


class AlreadyExists(Rejected):
    code = "ALREADY_EXISTS"


class WrongState(Rejected):
    code = "WRONG_STATE"


class TableClosed(WrongState):
    code = "TABLE_CLOSED"


class StorageFull(Rejected):
    code = "STORAGE_FULL"


class AuthenticationFailed(HippodError):
    code = "AUTHENTICATION_FAILED"


class PermissionDenied(HippodError):
    code = "PERMISSION_DENIED"


class RetryLater(HippodError):
    code = "RETRY_LATER"


class DeadlineExceeded(HippodError):
    code = "DEADLINE_EXCEEDED"


class Canceled(HippodError):
    code = "CANCELED"


class UnknownOutcome(HippodError):
    code = "UNKNOWN_OUTCOME"
    outcome_unknown = True


class DataCorrupt(HippodError):
    code = "DATA_CORRUPT"


class Internal(HippodError):
    code = "INTERNAL"


class JobFailed(HippodError):
    code = "JOB_FAILED"


class ConnectionLost(HippodError):
    """`outcome_unknown` is true if the request was a write that had been sent, at least in part."""

    code = "CONNECTION_LOST"

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class ClientTimeout(HippodError):
    """`outcome_unknown` is true if the request was a write that had been sent, at least in part."""

    code = "CLIENT_TIMEOUT"

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class ProtocolError(HippodError, WireError):
    code = "PROTOCOL_ERROR"


_LOCAL: Final = (JobFailed, ConnectionLost, ClientTimeout, ProtocolError)


def _descendants(base: type[HippodError]) -> Iterator[type[HippodError]]:
    for child in base.__subclasses__():
        yield child
        yield from _descendants(child)


# Every error that the server can send, by its code.
SERVER_ERRORS: Final[dict[str, type[HippodError]]] = {error.code: error for error in _descendants(HippodError) if error not in _LOCAL}


def server_error(code: str, message: str, details: Mapping[str, object]) -> HippodError:
    """The exception for an error that the server sent. A code of a newer server becomes a plain HippodError with that code."""
    known = SERVER_ERRORS.get(code)
    if known is not None:
        return known(message, details)
    error = HippodError(message, details)
    error.code = code
    return error
