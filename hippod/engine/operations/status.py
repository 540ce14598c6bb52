"""The state of the server as a whole."""

from __future__ import annotations

from hippod.engine.operations.base import Operation, Result


class GetStatus(Operation, frozen=True, tag="status"):
    """Whether the server is well, how far its log and its store are, and how much it holds."""

    is_read = True


class StatusInfo(Result, frozen=True):
    """`mode` is `ready`, `read-only` (no space) or `log-stalled`; LSNs count records; sizes are bytes."""

    mode: str
    version: str
    server_id: str
    uptime_s: float
    durable_lsn: int
    applied_lsn: int
    overlay_bytes: int
    log_bytes: int
    tables: int
    rows: int
    index_hosts: int
