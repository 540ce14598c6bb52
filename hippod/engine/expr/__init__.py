"""Filter expressions: text, typed against a schema, evaluated over columns. Knows nothing of tablets, stores or indexes."""

from hippod.engine.expr.evaluate import ColumnSource
from hippod.engine.expr.filter import Filter, compile_filter

__all__ = ["ColumnSource", "Filter", "compile_filter"]
