"""What the network side can be told at its start; each limit bounds what one client can take from the others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetOptions:
    """Times are seconds, sizes bytes. Connections from loopback count towards the total, but not by address: they have one address.

    `http_hosts`: names, separated by commas, under which the REST port may be asked beside the machine's own; `*` is any.
    """

    connections_max: int = 1_000
    connections_per_address_max: int = 50
    login_timeout_s: float = 5.0
    frame_timeout_s: float = 30.0
    idle_timeout_s: float = 600.0
    request_timeout_s: float = 60.0
    slow_reader_timeout_s: float = 30.0
    unread_replies_bytes_max: int = 8 << 20
    unfinished_frames_bytes_max: int = 1 << 30
    stop_timeout_s: float = 10.0
    http_hosts: str = ""
    http_head_timeout_s: float = 10.0
    http_body_bytes_max: int = 32 << 20
    http_bodies_bytes_max: int = 512 << 20
    http_json_elements_max: int = 1_000_000
