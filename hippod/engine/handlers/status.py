"""The state of the server."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from hippod.engine.operations import GetStatus, StatusInfo

if TYPE_CHECKING:
    from hippod.engine.engine import Engine


def get_status(engine: Engine, _operation: GetStatus, _deadline: float | None) -> StatusInfo:
    return StatusInfo(
        mode=engine.mode(),
        version=version("hippod"),
        server_id=engine.server_id,
        uptime_s=round(time.monotonic() - engine.started, 3),
        durable_lsn=engine.log.last.last_lsn,
        applied_lsn=engine.checkpointer.applied_lsn,
        overlay_bytes=engine.checkpointer.overlay_bytes,
        log_bytes=engine.log.size_bytes,
        tables=len(engine.tables),
        rows=sum(table.row_count for table in engine.tables.values()),
        index_hosts=engine.hosts.taken,
    )
