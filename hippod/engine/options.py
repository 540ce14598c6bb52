"""What the engine can be told at its start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hippod.engine.index.options import IndexOptions


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Sizes are bytes. Each limit bounds memory or time; reaching one is answered with RETRY_LATER or by waiting."""

    data_dir: Path
    initial_password: str | None = field(default=None, repr=False)
    write_queue_max: int = 10_000
    write_queue_bytes_max: int = 256 << 20
    overlay_bytes_max: int = 256 << 20
    checkpoint_interval_s: float = 1.0
    checkpoint_records: int = 20_000
    checkpoint_bytes: int = 64 << 20
    map_bytes: int = 1 << 40
    free_bytes_min: int = 512 << 20
    trash_retention_s: float = 7 * 86_400.0
    index: IndexOptions = field(default_factory=IndexOptions)
