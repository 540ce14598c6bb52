"""The settings of indexes, declared where they are read and composed into the server's configuration at the top."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """Limits of the index hosts and of searching.

    hosts_max: index hosts that serve at a time; further indexes answer exactly until one is free
    search_threads: threads of exact search in the server
    training_threads: threads of one training; one training runs at a time
    train_rows_min: living rows below which an index answers exactly and is not trained
    deletion_share_max: share of the rows an index was trained over that may die before it trains anew by itself
    waiting_queries_max: query vectors that may wait for an index before searches are refused with RETRY_LATER
    host_queries_max: query vectors sent to a host and not yet answered, or two batches: one that is searched and one that waits, so
        that the host never idles while the server turns answers into new requests
    host_stall_s: a host that has searches and answers none for so long is ended and started again
    restart_delay_s, restart_delay_max_s: first and longest wait before a host that died is started again
    """

    hosts_max: int = 8
    search_threads: int = 2
    training_threads: int = max(1, min(8, os.cpu_count() or 1))
    train_rows_min: int = 4_096
    deletion_share_max: float = 0.2
    waiting_queries_max: int = 16_384
    host_queries_max: int = 64
    host_stall_s: float = 30.0
    restart_delay_s: float = 0.1
    restart_delay_max_s: float = 30.0
