"""The state of the server as a whole."""

from __future__ import annotations

from hippod_client.requests.base import Request
from hippod_client.results import StatusInfo


def status() -> Request[StatusInfo]:
    return Request({"op": "status"}, StatusInfo.of, is_read=True)
