"""Who asks, and whether they may. Every operation of every port passes `check_access` with its principal, once, in the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from hippod.engine.catalog import User
from hippod.engine.operations import Operation
from hippod.errors import AuthenticationFailed, PermissionDenied

SUPERUSER: Final = "shiva"
DEFAULT_PASSWORD: Final = "shiva"  # noqa: S105  # well known: Hippo applications expect it; only loopback listeners accept it

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1_024, parallelism=1)
# Verified where the user is unknown, so that both refusals take the same time.
_NOBODY: Final = _HASHER.hash("nobody has this password")


@dataclass(frozen=True, slots=True)
class Principal:
    """A user who has logged in."""

    name: str
    is_superuser: bool


def make_superuser(password: str | None) -> User:
    """The first user; without a password it gets the default one."""
    hashed = _HASHER.hash(DEFAULT_PASSWORD if password is None else password)
    return User(SUPERUSER, hashed, is_superuser=True, is_default=password in (None, DEFAULT_PASSWORD))


def password_matches(user: User | None, password: str) -> bool:
    """Slow by intent (tens of milliseconds): never on the event loop."""
    try:
        _HASHER.verify(_NOBODY if user is None else user.password_hash, password)
    except VerificationError:
        return False
    return user is not None


def authenticate(user: User | None, password: str) -> Principal:
    """The principal of a correct pair, or AuthenticationFailed with the same text for a wrong user and a wrong password."""
    if not password_matches(user, password) or user is None:
        raise AuthenticationFailed("wrong user or password")
    return Principal(user.name, user.is_superuser)


def check_access(principal: Principal, operation: Operation) -> None:
    """Raise PermissionDenied unless `principal` may run `operation`. Only superusers exist so far, and they may do all."""
    if not principal.is_superuser:
        raise PermissionDenied(f"user {principal.name!r} may not run {type(operation).__name__}")
