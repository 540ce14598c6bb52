"""Which rows a filter can match at all, told by sorted columns instead of by looking at every cell.

What comes out is a superset of the rows that match, or None where nothing can be said: the filter is then evaluated on these rows alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from hippod.engine.expr.evaluate import AllOf, AnyOf, Compare, Constant, Elements, OneOf, Predicate

Slots = npt.NDArray[np.int64]
# Start and stop of a run of rows in the order of a sorted column.
Run = tuple[int, int]

_RUNS_MAX: Final = 4_096


class SortedColumn(Protocol):
    """The rows below slot `covered` in the order of one field's cells, without nulls; arrays are there once for each element."""

    @property
    def covered(self) -> int: ...

    def runs(self, operator: str, value: Any) -> list[Run]:
        """Where cells (elements) stand that compare so; `operator` is one of == < <= > >=."""
        ...

    def runs_of(self, values: Iterable[Any]) -> list[Run]:
        """Where cells (elements) stand that are one of `values`, in storage form."""
        ...

    def slots(self, run: Run) -> Slots: ...


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows that may match: those of `runs`, some perhaps twice, and all from slot `covered` on. `count` is that of the runs."""

    count: int
    covered: int
    runs: tuple[tuple[SortedColumn, Run], ...]

    def slots(self, count: int) -> Slots:
        """The candidates among the first `count` rows, rising."""
        parts = [column.slots(run) for column, run in self.runs]
        parts.append(np.arange(min(self.covered, count), count, dtype=np.int64))
        found = np.unique(np.concatenate(parts))
        return found[: np.searchsorted(found, count)]


def candidates(predicate: Predicate, columns: Mapping[str, SortedColumn]) -> Candidates | None:
    """The fewest candidates that some sorted column knows of, None if none does."""
    match predicate:
        case Constant(value) if value is not True:
            return Candidates(0, 1 << 62, ())
        case Compare(field, operator, value) if field in columns and operator != "!=":
            return _of(columns[field], columns[field].runs(operator, value))
        case OneOf(field, values) if field in columns:
            return _of(columns[field], columns[field].runs_of(_listed(values)))
        case Elements(field, groups) if field in columns:
            return _fewest(_of(columns[field], columns[field].runs_of(_listed(values))) for values in groups)
        case AllOf(parts):
            return _fewest(candidates(part, columns) for part in parts)
        case AnyOf(parts):
            each = [candidates(part, columns) for part in parts]
            known = [found for found in each if found is not None]
            if len(known) < len(each):
                return None
            runs = tuple(run for found in known for run in found.runs)
            return Candidates(sum(found.count for found in known), min(found.covered for found in known), runs)
    return None


def _of(column: SortedColumn, runs: list[Run]) -> Candidates | None:
    if len(runs) > _RUNS_MAX:
        return None
    return Candidates(sum(stop - start for start, stop in runs), column.covered, tuple((column, run) for run in runs))


def _fewest(found: Iterable[Candidates | None]) -> Candidates | None:
    return min((one for one in found if one is not None), key=lambda one: one.count, default=None)


def _listed(values: npt.NDArray[Any] | frozenset[bytes]) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)
