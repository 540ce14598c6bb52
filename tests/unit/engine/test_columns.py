"""Who lives in a tablet: `alive` as it changes, `alive_now` as it was."""

from __future__ import annotations

import numpy as np

from hippod.engine.columns import TabletColumns
from hippod.engine.rowblock import ColumnData, RowBlock
from hippod.engine.schema import DataType, Field, Schema

SCHEMA = Schema((Field(number=1, name="id", type=DataType.INT64, primary_key=True),))


def made(rows: int) -> TabletColumns:
    columns = TabletColumns(SCHEMA)
    add(columns, rows)
    return columns


def add(columns: TabletColumns, rows: int) -> None:
    row_ids = np.arange(columns.count + 1, columns.count + 1 + rows)
    columns.append(RowBlock(row_ids, {1: ColumnData(row_ids)}))
    columns.publish(columns.count + rows)


def test_who_was_alive_stays_as_it_was_while_rows_die_and_come() -> None:
    columns = made(3)
    before = columns.alive_now
    columns.kill(np.array([1]))
    between = columns.alive_now
    add(columns, 2)
    assert before.tolist() == [True, True, True]
    assert between.tolist() == [True, False, True]
    assert columns.alive_now.tolist() == columns.alive.tolist() == [True, False, True, True, True]


def test_who_is_alive_is_copied_once_and_cannot_be_changed() -> None:
    columns = made(3)
    assert columns.alive_now is columns.alive_now
    assert not columns.alive_now.flags.writeable
