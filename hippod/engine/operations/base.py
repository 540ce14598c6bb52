"""What every request and every result has in common."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

DEFAULT_DATABASE: Final = "default"


class Operation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op"):
    """A request that the engine can execute. Its tag is its name on every surface.

    `is_read`: it has no effect, so giving it up half-way leaves nothing open.
    """

    is_read: ClassVar[bool] = False


class Result(msgspec.Struct, frozen=True):
    """An answer of the engine."""


class Done(Result, frozen=True):
    """The operation was carried out and is durable."""
