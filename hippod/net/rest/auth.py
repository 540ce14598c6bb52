"""Basic authentication. A password check is slow by intent, so pairs that were right are remembered for a while, as a keyed digest."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections import OrderedDict
from typing import Final

from hippod.engine.access import Principal
from hippod.engine.engine import Engine
from hippod.errors import AuthenticationFailed
from hippod.net.logins import Logins

_REMEMBERED_MAX: Final = 1_024
_HEADER_BYTES_MAX: Final = 4_096


class BasicAuth:
    """Owned by the REST server; event loop only.

    A remembered pair is forgotten as soon as anything about its user changes: it is kept with the user as it was at the check.
    """

    def __init__(self, engine: Engine, logins: Logins) -> None:
        self._engine = engine
        self._logins = logins
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, tuple[str, object, Principal]] = OrderedDict()

    async def principal(self, header: bytes | None, address: str) -> Principal:
        """Who asks, or AuthenticationFailed, or RetryLater when too many passwords wait to be checked."""
        if header is None:
            raise AuthenticationFailed("this server wants a user and a password (HTTP Basic)")
        digest = hashlib.blake2b(header, key=self._key).digest()
        known = self._remembered.get(digest)
        if known is not None:
            name, version, principal = known
            if self._engine.user_version(name) is version:
                self._remembered.move_to_end(digest)
                return principal
            del self._remembered[digest]
        user, password = _credentials(header)
        version = self._engine.user_version(user)
        principal = await self._logins.login(user, password, address)
        self._remembered[digest] = user, version, principal
        if len(self._remembered) > _REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return principal


def _credentials(header: bytes) -> tuple[str, str]:
    scheme, _, encoded = header.strip().partition(b" ")
    if scheme.lower() != b"basic" or len(header) > _HEADER_BYTES_MAX:
        raise AuthenticationFailed("the Authorization header is not 'Basic ...'")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise AuthenticationFailed("the Authorization header is not base64 of 'user:password' in UTF-8") from None
    user, colon, password = pair.partition(":")
    if not colon:
        raise AuthenticationFailed("the Authorization header is not base64 of 'user:password' in UTF-8")
    return user, password
