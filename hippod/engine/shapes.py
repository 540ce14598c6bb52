"""Shapes: which row requests can be handled as one."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

_SHAPES_MAX: Final = 1_024
_SHAPES: dict[Hashable, Shape] = {}


class Shape:
    """Requests of one shape can be handled as one. There is one object for each shape, so shapes are compared by identity."""

    __slots__ = ()


def shape_for(described: Hashable) -> Shape:
    """The shape of requests that are described alike: by their kind, and the fields and dtypes of their columns."""
    shape = _SHAPES.get(described)
    if shape is None:
        if len(_SHAPES) >= _SHAPES_MAX:
            _SHAPES.clear()
        shape = _SHAPES[described] = Shape()
    return shape
