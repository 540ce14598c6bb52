"""What a request must be before any route sees it: for this host, from no foreign page, with a plain path."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from hippod.net.rest.endpoint import send_reply
from hippod.net.rest.envelope import error_reply
from hippod.net.rest.refusals import HttpRefusal

# Dots, slashes, backslashes, percent signs and control characters have no business in an encoded form.
_BAD_PATH: Final = re.compile(
    rb"%(?![0-9a-f]{2}) | %[01][0-9a-f] | %2[5ef] | %5c | %7f | %[89a-f][0-9a-f] | [\\\x00-\x20\x7f-\xff] | // | /\.\.?(?:/|$)",
    re.IGNORECASE | re.VERBOSE,
)
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@]+)(?::[0-9]{1,5})?", re.IGNORECASE)
_SAME: Final = frozenset({b"same-origin", b"same-site", b"none"})


class Guard:
    """Middleware around all routes.

    A page of a foreign site can make a browser send requests here, and with a name that it controls (DNS rebinding) even read the
    answers. So a Host that is a name must be one of this server's; an address cannot be rebound. Any site's pages may be refused
    as a whole: no page is meant to call this port.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope)
        except HttpRefusal as refusal:
            await send_reply(send, error_reply(refusal))
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        host = b""
        site = origin = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"origin":
                origin = value
        self._check_host(host)
        if _BAD_PATH.search(scope["raw_path"]):
            raise HttpRefusal(400, "the path holds characters that no name has, or an encoded '.', '/', '\\' or '%'", closes=True)
        if site is not None and site.lower() not in _SAME:
            raise HttpRefusal(403, "requests from pages of other sites are refused", closes=True)
        if origin is not None and origin.partition(b"://")[2].lower() != host.lower():
            raise HttpRefusal(403, "requests from pages of another origin are refused", closes=True)

    def _check_host(self, host: bytes) -> None:
        match = _HOST.fullmatch(host.decode("latin-1"))
        if match is None:
            raise HttpRefusal(400, "the Host header is missing or not a host", closes=True)
        name = match[1].lower().rstrip(".")
        if name in self._hosts or "*" in self._hosts or _is_address(name):
            return
        raise HttpRefusal(400, f"this server is not {name[:100]!r}; the setting net.http_hosts lists its names", closes=True)


def own_hosts(bound: str, configured: str) -> set[str]:
    """The names under which the server may be asked: what it listens on, the machine's, loopback's, and the configured ones."""
    return {bound, "localhost", socket.gethostname()} | {name.strip() for name in configured.split(",") if name.strip()}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
