"""Requests that are alike: of one kind, with the same body, and blocks of the same sizes, so that they differ in their data only.

A program that writes row by row, or searches again and again, sends nothing else. The first such request is decoded as any other, and
what that has shown is remembered with the layout of its frame: those that follow need no decoding. The data of a write stay bytes until
its group is written; a search gets its vectors.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from hippod.engine.arrays import BytesArray, StringArray
from hippod.engine.operations import AnyOperation, Insert, Search, Update, Upsert
from hippod.engine.raw_columns import RawCells, RawColumn, RawColumns, RawForm
from hippod_client.wire.arrays import EXT_ARRAY, OFFSET_BYTES, WireStrings
from hippod_client.wire.layouts import Frame, Layout, Place

_REMEMBERED: Final = 256
_NO_VECTORS: Final = np.empty((0, 0), np.float32)


class _SentColumn(msgspec.Struct):
    """A column as its body has it: references to blocks."""

    field: str
    values: msgspec.msgpack.Ext
    valid: msgspec.msgpack.Ext | None = None


class _Sent(msgspec.Struct):
    columns: list[_SentColumn]


class _Write:
    __slots__ = ("_database", "_form", "_kind", "_table")

    def __init__(self, first: Insert | Update | Upsert, form: RawForm) -> None:
        self._kind = type(first)
        self._table = first.table
        self._database = first.database
        self._form = form

    def decode(self, frame: Frame, _layout: Layout) -> AnyOperation:
        return self._kind(self._table, RawColumns(self._form, frame), self._database)


class _Search:
    __slots__ = ("_without_vectors",)

    def __init__(self, first: Search) -> None:
        self._without_vectors = msgspec.structs.replace(first, vectors=_NO_VECTORS)

    def decode(self, frame: Frame, layout: Layout) -> AnyOperation:
        return msgspec.structs.replace(self._without_vectors, vectors=layout.arrays(frame)[0])


class AlikeRequests:
    """Bounded; belongs to a codec."""

    def __init__(self) -> None:
        self._known: dict[Layout, _Write | _Search] = {}

    def decode(self, frame: Frame, layout: Layout) -> AnyOperation | None:
        """The operation in a frame, if one of this layout is remembered."""
        known = self._known.get(layout)
        return None if known is None else known.decode(frame, layout)

    def remember(self, first: AnyOperation, layout: Layout) -> None:
        """Remember what a decoded request has shown, if it is a write or a search whose data are a block each."""
        known: _Write | _Search | None = None
        if isinstance(first, Insert | Update | Upsert):
            known = _known_write(first, layout)
        elif isinstance(first, Search):
            known = _known_search(first, layout)
        if known is not None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[layout] = known


def _known_write(first: Insert | Update | Upsert, layout: Layout) -> _Write | None:
    """None where a column is made of several blocks, or columns differ in length."""
    sent = msgspec.msgpack.decode(layout.body, type=_Sent).columns
    references = [reference for column in sent for reference in (column.values, column.valid) if reference is not None]
    if not sent or any(reference.code != EXT_ARRAY for reference in references):
        return None
    rows = {_place(layout, reference).shape[0] for reference in references}
    if len(rows) > 1:
        return None
    return _Write(first, RawForm(type(first), [_raw(layout, column) for column in sent], rows.pop()))


def _known_search(first: Search, layout: Layout) -> _Search | None:
    """None where the vectors are not the only block, of numbers, or where anything else refers to it."""
    references: list[int] = []
    msgspec.msgpack.decode(layout.body, ext_hook=lambda code, _data: references.append(code))
    if references != [EXT_ARRAY] or len(layout.places) != 1 or layout.places[0].kind is not None:
        return None
    return _Search(first)


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
