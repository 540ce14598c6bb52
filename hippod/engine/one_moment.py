"""Rankings that hold for one moment, while rows are written.

A search over several tablets, with a filter, or of several rankings asks in several places, each of which answers for its own moment: a row
that is replaced in between would be in two of them, or in none. Here the answers are brought to one moment, that after the last of them:

    1  note how many rows each tablet has, and ask
    2  where nothing was written since, that is the answer
    3  else drop what died or came since, and add the new rows of now, scored exactly: published cells never change, and new rows are
       those behind the count that was noted
    4  where rows that died leave a ranking too short, ask again for more; at last score all rows of one moment exactly
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hippod.engine.columns import ColumnsView
from hippod.engine.expr import Filter
from hippod.engine.index.exact import ExactSearch, Hits, best_of
from hippod.engine.index.pool import SearchPool
from hippod.engine.table import Table
from hippod.engine.tablet import Tablet
from hippod.engine.vector_cells import Vectors
from hippod.errors import WrongState

# So many more rows than wanted are asked for, attempt by attempt: rows that die meanwhile then leave enough.
_SPARES: Final = (0, 16, 256)

Mask = npt.NDArray[np.bool_]
Slots = npt.NDArray[np.int64]


class Found(NamedTuple):
    """The hits in each of some tablets."""

    parts: list[Tablet]
    hits: list[Hits]


@dataclass(frozen=True, slots=True)
class Ranking:
    """What is asked for: the `k` nearest rows of each of the `vectors` among those that match `text` (empty: all), by an index.

    `find(fetch)` finds the `fetch` nearest in each tablet, each for a moment between its call and its answer."""

    vectors: Vectors
    index: str
    descending: bool
    text: str
    k: int
    find: Callable[[int], Awaitable[Found]]


class _Rows(NamedTuple):
    """The rows of one tablet at one moment: who lives, and the cells. Those from `since` on are new."""

    tablet: Tablet
    since: int
    alive: Mask
    columns: ColumnsView
    exact: Mapping[str, ExactSearch]

    def matching(self, condition: Filter | None, since: int) -> Slots:
        """The living rows from `since` on that match."""
        slots = np.flatnonzero(self.alive[since:]) + since
        return slots if condition is None else condition.among(self.columns, slots)


async def of_one_moment(table: Table, rankings: Sequence[Ranking], pool: SearchPool) -> list[Found]:
    """What each ranking finds, all at the same moment. Raises WrongState if tablets came or went meanwhile, and what `find` raises."""
    tablets = table.tablets
    for spare in _SPARES:
        noted = {number: (tablet.version, tablet.columns.count) for number, tablet in tablets.items()}
        asked = [ranking.find(ranking.k + spare) for ranking in rankings]
        found = [await asked[0]] if len(asked) == 1 else await asyncio.gather(*asked)
        if table.tablets is not tablets:
            raise WrongState("the partitions of the table changed during the search")
        changed = [n for n, tablet in tablets.items() if tablet.version != noted[n][0]]
        if not changed:
            return [_cut(one, ranking.k) for one, ranking in zip(found, rankings, strict=True)] if spare else found
        rows = {number: _rows(tablets[number], rankings, noted[number][1]) for number in changed}
        brought = await pool.run(_brought_forward, rankings, found, rows, _conditions(table, rankings), spare)
        if brought is not None:
            return brought
    everything = [_rows(tablet, rankings, 0) for tablet in tablets.values()]
    return await pool.run(_exactly, rankings, everything, _conditions(table, rankings))


def _rows(tablet: Tablet, rankings: Sequence[Ranking], since: int) -> _Rows:
    exact = {ranking.index: tablet.index(ranking.index).exact for ranking in rankings}
    return _Rows(tablet, since, tablet.columns.alive_now, tablet.columns.view(), exact)


def _conditions(table: Table, rankings: Sequence[Ranking]) -> dict[str, Filter | None]:
    return {ranking.text: table.filter(ranking.text) if ranking.text else None for ranking in rankings}


def _cut(found: Found, k: int) -> Found:
    return Found(found.parts, [Hits(h.slots[:, :k], h.scores[:, :k], np.minimum(h.counts, np.int32(k))) for h in found.hits])


def _brought_forward(
    rankings: Sequence[Ranking],
    found: Sequence[Found],
    rows: Mapping[int, _Rows],
    conditions: Mapping[str, Filter | None],
    spare: int,
) -> list[Found] | None:
    """The rankings at the moment of `rows`, which are those of the tablets that changed; None if some is too short now. In the pool."""
    fresh = {(text, n): one.matching(condition, one.since) for text, condition in conditions.items() for n, one in rows.items()}
    brought = []
    for ranking, before in zip(rankings, found, strict=True):
        hits = {tablet.number: (tablet, one) for tablet, one in zip(*_cut(before, ranking.k + spare), strict=True)}
        for number, now in rows.items():
            moved = _at(now, ranking, hits[number][1] if number in hits else None, fresh[ranking.text, number], ranking.k + spare)
            if moved is None:
                return None
            hits[number] = now.tablet, moved
        brought.append(_cut(Found([tablet for tablet, _ in hits.values()], [one for _, one in hits.values()]), ranking.k))
    return brought


def _at(now: _Rows, ranking: Ranking, before: Hits | None, fresh: Slots, fetch: int) -> Hits | None:
    """The `ranking.k` nearest rows of a tablet now, from the `fetch` nearest `before` and the `fresh` rows; None if too few are left."""
    queries = len(ranking.vectors)
    if before is None:
        before = Hits(np.zeros((queries, 0), np.int64), np.zeros((queries, 0), np.float32), np.zeros(queries, np.int32))
    kept = (np.arange(before.slots.shape[1]) < before.counts[:, None]) & (before.slots < now.since)
    kept[kept] = now.alive[before.slots[kept]]
    slots, scores, valid = before.slots, before.scores, kept
    if len(fresh):
        added = now.exact[ranking.index].search(len(now.alive), ranking.vectors, min(ranking.k, len(fresh)), fresh, None)
        slots, scores = np.concatenate((slots, added.slots), axis=1), np.concatenate((scores, added.scores), axis=1)
        valid = np.concatenate((kept, np.arange(added.slots.shape[1]) < added.counts[:, None]), axis=1)
    order = np.where(valid, -scores if ranking.descending else scores, np.float32(np.inf))
    # Behind the worst that was kept there may be rows that nobody has asked for yet.
    width = kept.shape[1]
    bound = np.where(kept, order[:, :width], np.float32(-np.inf)).max(axis=1, initial=-np.inf)
    sure = (valid & (order <= bound[:, None])).sum(axis=1)
    if ((before.counts == fetch) & (kept.sum(axis=1) < fetch) & (sure < ranking.k)).any():
        return None
    return best_of(slots, order, valid, scores, ranking.k)


def _exactly(rankings: Sequence[Ranking], rows: Sequence[_Rows], conditions: Mapping[str, Filter | None]) -> list[Found]:
    """The rankings over all rows of one moment; in the pool."""
    slots = {text: [one.matching(condition, 0) for one in rows] for text, condition in conditions.items()}
    found = []
    for ranking in rankings:
        filled = [(one, matching) for one, matching in zip(rows, slots[ranking.text], strict=True) if len(matching)]
        hits = [one.exact[ranking.index].search(len(one.alive), ranking.vectors, ranking.k, m, None) for one, m in filled]
        found.append(Found([one.tablet for one, _ in filled], hits))
    return found
