"""A catalog change as a write: computed against the published catalog when its turn comes, logged, then applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hippod.engine.catalog import Changes
from hippod.engine.effects import CatalogEffect
from hippod.engine.operations import Done
from hippod.engine.write_queue import Commit

_DONE: Final = Done()


@dataclass(slots=True, eq=False)
class CatalogWrite:
    """`compute` may raise HippodError to refuse; `apply` runs on the event loop when the changes are durable.

    The few bytes of a document are taken even when the disk is almost full: drops are what helps then.
    """

    compute: Callable[[], Changes]
    apply: Callable[[Changes], None]
    frees_space: bool = True

    def prepare(self) -> Commit:
        changes = self.compute()
        if not changes:
            return Commit([_DONE])
        return _CatalogCommit([_DONE], catalog=CatalogEffect(changes), apply=self.apply)


@dataclass(slots=True, eq=False)
class _CatalogCommit(Commit):
    apply: Callable[[Changes], None] = lambda _: None

    def publish(self) -> None:
        assert self.catalog is not None
        self.apply(self.catalog.changes)
