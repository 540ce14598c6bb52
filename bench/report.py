"""Figures as a table for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

_COLUMNS: Final = ("figure", "data", "measured", "limit of the same run", "reached", "must reach", "recall@10", "")


class Row(msgspec.Struct, frozen=True):
    """One line of the table.

    `value` and `limit` are in `unit`; `reached`, compared with `target`, is in `relation`: "of direct", "ms above direct" and so on.
    Where `less_is_better`, the target is the most allowed, else the least. `recall` must reach `recall_min`. `details` are further
    figures, by name and unit.
    """

    figure: str
    data: str
    value: float
    unit: str
    limit: float
    limit_name: str
    reached: float
    relation: str
    target: float
    less_is_better: bool = False
    recall: float | None = None
    details: dict[str, float | str] = {}
    recall_min: float = 0.0

    @property
    def holds(self) -> bool:
        if self.recall is not None and self.recall < self.recall_min:
            return False
        return self.reached <= self.target if self.less_is_better else self.reached >= self.target


class Machine(msgspec.Struct, frozen=True):
    processors: int
    architecture: str
    model: str
    kernel: str
    python: str

    @classmethod
    def this(cls) -> Machine:
        return cls(os.cpu_count() or 1, platform.machine(), _processor_model(), platform.release(), platform.python_version())


class Report(msgspec.Struct):
    """What was measured. `rows` by figure and data set; `options` tell with which data and for how long.

    `load` is what the machine had to do already (the load average of the minute before): figures of a busy machine are worth less.
    """

    started: str
    load: float
    machine: Machine
    options: dict[str, str]
    rows: dict[str, list[Row]] = {}

    @classmethod
    def begin(cls, options: dict[str, str]) -> Report:
        return cls(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), os.getloadavg()[0], Machine.this(), options)

    @classmethod
    def read(cls, path: Path) -> Report:
        """Raises OSError or msgspec.MsgspecError."""
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def write(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        building = path.with_suffix(".building")
        building.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))
        building.replace(path)

    def table(self) -> str:
        """The figures as a table of Markdown, with their details below."""
        rows = [row for group in self.rows.values() for row in group]
        cells = [_COLUMNS, *map(_cells, rows)]
        widths = [max(len(line[at]) for line in cells) for at in range(len(_COLUMNS))]
        lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        machine = self.machine
        head = (
            f"{self.started}, {machine.processors} x {machine.model} ({machine.architecture}), Python {machine.python}, "
            f"load average before it {self.load:.1f}"
        )
        notes = [f"- {row.figure}, {row.data}: {_details(row)}" for row in rows if row.details]
        return "\n".join([head, "", *lines, "", *notes])


def _cells(row: Row) -> tuple[str, ...]:
    sign = "<=" if row.less_is_better else ">="
    return (
        row.figure,
        row.data,
        f"{_number(row.value)} {row.unit}",
        f"{_number(row.limit)} {row.unit}, {row.limit_name}",
        f"{_number(row.reached)} {row.relation}",
        f"{sign} {_number(row.target)}",
        "" if row.recall is None else f"{row.recall:.3f}",
        "ok" if row.holds else "NOT reached",
    )


def _details(row: Row) -> str:
    return ", ".join(f"{name} {value if isinstance(value, str) else _number(value)}" for name, value in row.details.items())


def _number(value: float) -> str:
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _processor_model() -> str:
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return names[0] if names else platform.processor() or "processor"


def _cpuinfo() -> Sequence[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ()
