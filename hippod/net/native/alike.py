"""Writes that are alike: of one kind, for one table, with the same fields and blocks of the same sizes, so that they differ in data only.

A program that writes row by row sends nothing else. The first such request is decoded as any other, and what that has shown is
remembered with the layout of its frame: those that follow need no decoding, and their data stay bytes until their group is written.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hippod.engine.arrays import BytesArray, StringArray
from hippod.engine.operations import Insert, Update, Upsert
from hippod.engine.raw_columns import RawCells, RawColumn, RawColumns, RawForm
from hippod_client.wire.arrays import EXT_ARRAY, OFFSET_BYTES, WireStrings
from hippod_client.wire.layouts import Frame, Layout, Place

_REMEMBERED: Final = 256

RowsOperation = Insert | Update | Upsert


class _SentColumn(msgspec.Struct):
    """A column as its body has it: references to blocks."""

    field: str
    values: msgspec.msgpack.Ext
    valid: msgspec.msgpack.Ext | None = None


class _Sent(msgspec.Struct):
    columns: list[_SentColumn]


class _Alike:
    __slots__ = ("database", "form", "kind", "table")

    def __init__(self, first: RowsOperation, form: RawForm) -> None:
        self.kind = type(first)
        self.table = first.table
        self.database = first.database
        self.form = form


class AlikeWrites:
    """Bounded; belongs to a codec."""

    def __init__(self) -> None:
        self._known: dict[Layout, _Alike] = {}

    def decode(self, frame: Frame, layout: Layout) -> RowsOperation | None:
        """The operation in a frame, if one of this layout is remembered."""
        known = self._known.get(layout)
        return None if known is None else known.kind(known.table, RawColumns(known.form, frame), known.database)

    def remember(self, first: RowsOperation, layout: Layout) -> None:
        """Remember what a decoded request has shown, unless a column is made of several blocks, or columns differ in length."""
        sent = msgspec.msgpack.decode(layout.body, type=_Sent).columns
        references = [reference for column in sent for reference in (column.values, column.valid) if reference is not None]
        if not sent or any(reference.code != EXT_ARRAY for reference in references):
            return
        rows = {_place(layout, reference).shape[0] for reference in references}
        if len(rows) > 1:
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[layout] = _Alike(first, RawForm(type(first), [_raw(layout, column) for column in sent], rows.pop()))


def _raw(layout: Layout, column: _SentColumn) -> RawColumn:
    valid = None if column.valid is None else _place(layout, column.valid)
    return RawColumn(column.field, _cells(_place(layout, column.values)), None if valid is None else slice(valid.at, valid.at + valid.size))


def _cells(place: Place) -> RawCells:
    end = place.at + place.size
    if place.dtype is not None:
        return RawCells(place.dtype, slice(place.at, end), place.shape[1] if len(place.shape) > 1 else None)
    head = place.at + place.head_bytes
    # The first offset is 0 in every request.
    return RawCells(StringArray if place.kind is WireStrings else BytesArray, slice(head, end), None, slice(place.at + OFFSET_BYTES, head))


def _place(layout: Layout, reference: msgspec.msgpack.Ext) -> Place:
    return layout.places[int.from_bytes(reference.data, "little")]
