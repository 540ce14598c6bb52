"""Filter expressions: text, typed against a schema, evaluated over columns. Knows nothing of tablets, stores or indexes."""

from hippod.engine.expr.check import parse_moment
from hippod.engine.expr.evaluate import ColumnSource
from hippod.engine.expr.filter import Filter, Selection, compile_filter
from hippod.engine.expr.narrow import Run, SortedColumn
from hippod.engine.expr.ranges import Range

__all__ = ["ColumnSource", "Filter", "Range", "Run", "Selection", "SortedColumn", "compile_filter", "parse_moment"]
