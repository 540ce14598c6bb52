"""Who asks, and whether they may. Every operation of every port passes `check_access` with its principal, once, in the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from hippod.engine.catalog import Catalog, User
from hippod.engine.jobs import Jobs
from hippod.engine.operations import Operation
from hippod.engine.operations.users import PASSWORD_BYTES_MAX
from hippod.engine.rights import RULES, Rights
from hippod.errors import AuthenticationFailed, LimitExceeded, PermissionDenied

SUPERUSER: Final = "shiva"
DEFAULT_PASSWORD: Final = "shiva"  # noqa: S105  # well known: Hippo applications expect it; only loopback listeners accept it

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1_024, parallelism=1)
# Verified where the user is unknown, so that both refusals take the same time: of a random password that nobody knows.
_NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$s+ncirGo7L1OmjhGsXAuFA$0Jl3dS6AJhcHHzVGXvGn0lZrjtDZeAV7jfCvUOYIF94"


@dataclass(frozen=True, slots=True)
class Principal:
    """A user who has logged in. What he may do is looked up when he does it."""

    name: str


def hash_password(password: str) -> str:
    """Slow by intent (tens of milliseconds): never on the event loop. Raises LimitExceeded."""
    if not 1 <= len(password.encode()) <= PASSWORD_BYTES_MAX:
        raise LimitExceeded(f"a password has 1 to {PASSWORD_BYTES_MAX} bytes", field="password", limit=PASSWORD_BYTES_MAX)
    return _HASHER.hash(password)


def is_default(user: str, password: str) -> bool:
    """Whether this is the well-known pair."""
    return (user, password) == (SUPERUSER, DEFAULT_PASSWORD)


def make_superuser(password: str | None) -> User:
    """The first user; without a password it gets the default one."""
    given = DEFAULT_PASSWORD if password is None else password
    return User(
        name=SUPERUSER,
        password_hash=hash_password(given),
        is_superuser=True,
        is_default=is_default(SUPERUSER, given),
        can_create_role=True,
        can_create_database=True,
    )


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
    return Principal(user.name)


def check_access(catalog: Catalog, jobs: Jobs, principal: Principal, operation: Operation) -> None:
    """Raise PermissionDenied unless `principal` may run `operation` now. What does not exist is refused like what is forbidden."""
    user = catalog.users.get(principal.name)
    if user is None:
        raise PermissionDenied(f"user {principal.name!r} does not exist any more")
    if user.is_superuser:
        return
    rule = RULES[type(operation)]
    if not rule.allows(Rights(catalog, jobs, user), operation):
        name = type(operation).__struct_config__.tag
        raise PermissionDenied(f"user {user.name!r} may not run {name} here: it takes {rule.needed}")
