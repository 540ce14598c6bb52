"""Where a row of a table lives: the number of its tablet and its slot there, in one int64, so that key lookup, search and answers can
speak of rows of all tablets in one array.

    address = tablet number << 40 | slot

Nothing durable holds an address: slots are given anew at each start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import Column, concat_values, take_values
from hippod.engine.columns import no_cells
from hippod.engine.rowblock import ColumnData
from hippod.engine.schema import Field
from hippod.engine.tablet import Tablet

_SLOT_BITS: Final = 40
_SLOT_MASK: Final = (1 << _SLOT_BITS) - 1

Addresses = npt.NDArray[np.int64]
Positions = npt.NDArray[np.intp]


def addresses_in(tablet: int, slots: npt.NDArray[np.int64]) -> Addresses:
    """The addresses of slots of one tablet."""
    return slots | np.int64(tablet << _SLOT_BITS) if tablet else slots


def tablets_of(addresses: Addresses) -> npt.NDArray[np.int64]:
    """The tablet number of each address; -1 stays -1."""
    return addresses >> _SLOT_BITS


def slots_of(addresses: Addresses) -> npt.NDArray[np.int64]:
    return addresses & _SLOT_MASK


def split_by(numbers: npt.NDArray[np.int64]) -> Iterator[tuple[int, Positions]]:
    """Each number that occurs, with the positions (rising) where it does."""
    if not len(numbers):
        return
    order = np.argsort(numbers, kind="stable")
    rising = numbers[order]
    bounds = [0, *(np.flatnonzero(np.diff(rising)) + 1).tolist(), len(rising)]
    for start, stop in pairwise(bounds):
        yield int(rising[start]), order[start:stop]


def split_by_tablet(tablets: Mapping[int, Tablet], addresses: Addresses) -> Iterator[tuple[Tablet, Positions, npt.NDArray[np.int64]]]:
    """Each tablet that has some of the rows, with their positions in `addresses` and their slots."""
    if len(tablets) == 1 and len(addresses):
        yield next(iter(tablets.values())), np.arange(len(addresses)), slots_of(addresses)
        return
    for number, at in split_by(tablets_of(addresses)):
        yield tablets[number], at, slots_of(addresses[at])


def gather_cells(tablets: Mapping[int, Tablet], field: Field, addresses: Addresses) -> ColumnData:
    """The cells of one field of rows that may lie in several tablets."""
    if len(tablets) == 1:
        return next(iter(tablets.values())).cells(field, slots_of(addresses))
    if not len(addresses):
        return ColumnData(no_cells(field))
    parts, order = [], []
    for tablet, at, slots in split_by_tablet(tablets, addresses):
        parts.append(tablet.cells(field, slots))
        order.append(at)
    return _joined(parts, order)


def gather(tablets: Mapping[int, Tablet], fields: Iterable[Field], addresses: Addresses) -> list[Column]:
    """The cells of `fields` of rows that may lie in several tablets, as the columns of an answer."""
    out = []
    for field in fields:
        data = gather_cells(tablets, field, addresses)
        out.append(Column(field.name, data.values, data.valid))
    return out


def _joined(parts: Sequence[ColumnData], order: Sequence[Positions]) -> ColumnData:
    """The cells of `parts` put at the positions in `order`."""
    if len(parts) == 1:
        return parts[0]
    positions = np.concatenate(order)
    back = np.empty(len(positions), np.intp)
    back[positions] = np.arange(len(positions))
    valid = None
    if any(p.valid is not None for p in parts):
        valid = np.concatenate([np.ones(len(p.values), np.bool_) if p.valid is None else p.valid for p in parts])[back]
    return ColumnData(take_values(concat_values([p.values for p in parts]), back), valid)
