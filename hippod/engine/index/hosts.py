"""Index hosts of the whole server: how many may serve at a time, and the turn to train."""

from __future__ import annotations

from hippod.engine.index.options import IndexOptions


class HostPool:
    """Owned by the engine; counts the hosts of all indexes on the event loop."""

    def __init__(self, options: IndexOptions) -> None:
        self.options = options
        self.serving = 0
