"""How answers look: errors, acknowledgements, jobs, JSON (plain and as Elasticsearch prints it), text. Only 200 means success."""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
import orjson

from hippod.engine.operations import JobInfo, JobStatus
from hippod.errors import HippodError, Internal
from hippod.net.rest.refusals import HttpRefusal

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
RETRY_AFTER_S: Final = "1"
_RETRIED: Final = frozenset({429, 503})

_log = logging.getLogger(__name__)


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of the JSON objects that handlers return. What has its default is left out: absent is absent, never null."""

    @property
    def cells(self) -> int:
        """About how many values there are to write; many are written in a thread."""
        return 0


class Acknowledged(Answer, frozen=True, omit_defaults=False):
    acknowledged: bool = True


class Cause(msgspec.Struct, frozen=True):
    type: str
    reason: str


class ErrorCause(msgspec.Struct, frozen=True):
    root_cause: list[Cause]
    type: str
    reason: str


class Text(msgspec.Struct, frozen=True):
    """An answer for people: plain text."""

    text: str


class ErrorAnswer(Answer, frozen=True):
    error: ErrorCause
    status: int


class TaskResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """`execute_time` in seconds; `server` is host:port."""

    id: str
    status: str
    server: str
    execute_time: float
    embedding_number: int | None = None


class JobAnswer(Answer, frozen=True):
    """`embedding_number`: vectors handled, of index jobs; `errors` only of a job that failed."""

    job_id: str
    job_status: str
    embedding_number: int | None = None
    task_results: list[TaskResult] | None = None
    errors: list[str] | None = None


JOB_STATUS: Final = {
    JobStatus.PENDING: "SHIVA_JOB_PENDING",
    JobStatus.RUNNING: "SHIVA_JOB_RUNNING",
    JobStatus.SUCCEEDED: "SHIVA_JOB_SUCCESS",
    JobStatus.FAILED: "SHIVA_JOB_FAILED",
    JobStatus.CANCELED: "SHIVA_JOB_CANCELED",
}
_TASK_STATUS: Final = {
    JobStatus.PENDING: "TASK_PENDING",
    JobStatus.RUNNING: "TASK_RUNNING",
    JobStatus.SUCCEEDED: "TASK_SUCCESS",
    JobStatus.FAILED: "TASK_FAILED",
    JobStatus.CANCELED: "TASK_CANCELED",
}
# Applications take this, and only this, as "submitted".
SUBMITTED: Final = "SHIVA_JOB_INVALID"


def job_status(job: JobInfo) -> str:
    return JOB_STATUS[JobStatus(job.status)]


def task_results(job: JobInfo, server: str, now: float) -> list[TaskResult]:
    """The tasks of a job: one, on this server. Its id is derived from the job's, so it stays the same when asked again."""
    task_id = hashlib.blake2b(job.id.encode(), digest_size=16).hexdigest()
    seconds = max(0.0, round((job.ended or now) - job.started, 3))
    return [TaskResult(task_id, _TASK_STATUS[JobStatus(job.status)], server, seconds, embedding_number(job))]


def embedding_number(job: JobInfo) -> int | None:
    return job.vectors if job.index else None


def job_answer(job: JobInfo, server: str, now: float, *, waited: bool) -> JobAnswer:
    """The envelope of every long operation. Who waits gets the outcome, or SHIVA_JOB_RUNNING at the end of the time-out."""
    if not waited:
        return JobAnswer(job.id, SUBMITTED)
    return JobAnswer(
        job_id=job.id,
        job_status=job_status(job),
        embedding_number=embedding_number(job),
        task_results=task_results(job, server, now),
        errors=[job.error] if job.error else None,
    )


def _encode_array(value: object) -> msgspec.Raw:
    """numpy values as text without an object a cell; float32 gets the shortest digits that read back as the same float32."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{type(value).__name__} has no place in an answer")
    return msgspec.Raw(orjson.dumps(np.ascontiguousarray(value), option=orjson.OPT_SERIALIZE_NUMPY))


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_encode_array)


def encode_json(answer: object, *, pretty: bool) -> bytes:
    """`pretty` as Elasticsearch prints: two spaces, and one on each side of the colon."""
    body = _ENCODER.encode(answer)
    if not pretty:
        return body
    return json.dumps(json.loads(body), indent=2, separators=(",", " : "), ensure_ascii=False).encode() + b"\n"


@dataclass(slots=True)
class Reply:
    """What leaves: a status, a body and its headers."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def error_reply(error: Exception, *, pretty: bool = False) -> Reply:
    """Any exception as its error body; what is no refusal is a defect, gets an id, and the log says more under it."""
    if isinstance(error, HttpRefusal):
        status, kind, reason, headers = error.status, error.type, error.reason, error.headers
    else:
        if not isinstance(error, HippodError):
            incident = uuid.uuid4().hex[:12]
            _log.error("request failed, incident %s", incident, exc_info=error)
            error = Internal(f"a defect of the server; its log says more under {incident}")
        status, kind, reason, headers = error.http_status, error.rest_type, error.message, {}
    if status == 401:
        headers = {**headers, "www-authenticate": 'Basic realm="hippo", charset="UTF-8"'}
    if status in _RETRIED:
        headers = {"retry-after": RETRY_AFTER_S, **headers}
    answer = ErrorAnswer(ErrorCause([Cause(kind, reason)], kind, reason), status)
    return Reply(status, encode_json(answer, pretty=pretty), JSON, headers)
