"""From the tree as written to typed predicates: fields are looked up, values are brought to the field's type, what cannot be is refused."""

from __future__ import annotations

import datetime
import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hippod.engine.expr.evaluate import (
    OPERATORS,
    AllOf,
    AnyOf,
    Compare,
    ComparePair,
    Constant,
    Elements,
    IsNull,
    MatchesPattern,
    Negation,
    OneOf,
    Predicate,
    Whenever,
)
from hippod.engine.expr.strings import LikePattern
from hippod.engine.expr.tree import (
    And,
    ArrayTest,
    Comparison,
    Expression,
    Identifier,
    Like,
    Literal,
    Membership,
    Not,
    NullTest,
    Operand,
    Or,
)
from hippod.engine.schema import OPAQUE_TYPES, DataType, Field, Schema
from hippod.errors import FieldNotFound, FilterError

_FLIPPED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_INTEGERS: Final = frozenset({DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64})
_NUMBERS: Final = _INTEGERS | {DataType.FLOAT, DataType.DOUBLE}
_MOMENTS: Final = frozenset({DataType.TIMESTAMP, DataType.DATETIME})
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND: Final = datetime.timedelta(microseconds=1)
_EXAMPLES: Final = {
    DataType.DATE: "'2024-05-31'",
    DataType.TIME: "'13:30:00'",
    DataType.TIMESTAMP: "'2024-05-31 13:30:00'",
    DataType.DATETIME: "'2024-05-31 13:30:00'",
}


class Checker:
    """Binds one expression to a schema; `fields` are the names it reads."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.fields: set[str] = set()

    def bind(self, tree: Expression) -> Predicate:
        """The predicate that `tree` means. Raises FilterError with the column at fault."""
        match tree:
            case And(parts):
                return AllOf(tuple(self.bind(part) for part in parts))
            case Or(parts):
                return AnyOf(tuple(self.bind(part) for part in parts))
            case Not(part):
                return Negation(self.bind(part))
            case Comparison():
                return self._comparison(tree)
            case Membership(operand, values, negated):
                return _negated(self._membership(operand, values), negated)
            case Like(operand, pattern, negated):
                return _negated(self._like(operand, pattern), negated)
            case NullTest(operand, negated):
                return _negated(self._null_test(operand), negated)
            case ArrayTest(operand, values, every):
                return self._array_test(operand, values, every)

    def _field(self, identifier: Identifier) -> Field:
        try:
            field = self._schema.field(identifier.name)
        except FieldNotFound as error:
            raise FilterError(f"column {identifier.column}: {error.message}", column=identifier.column) from None
        if field.is_vector:
            raise FilterError(
                f"column {identifier.column}: {field.name!r} is a vector; vectors are searched, not filtered", column=identifier.column
            )
        self.fields.add(field.name)
        return field

    def _compared(self, identifier: Identifier) -> Field:
        """A field whose cells are looked at: not one of which filters know only whether it is null."""
        field = self._field(identifier)
        if field.type in OPAQUE_TYPES:
            raise FilterError(
                f"column {identifier.column}: {field.name!r} is {field.type}, which a filter can only test for null",
                column=identifier.column,
            )
        return field

    def _comparison(self, tree: Comparison) -> Predicate:
        left, sign, right = tree.left, tree.operator, tree.right
        if isinstance(left, Literal):
            if isinstance(right, Literal):
                return _constant(left, sign, right)
            left, sign, right = right, _FLIPPED[sign], left
        field = self._compared(left)
        if isinstance(right, Identifier):
            return self._pair(tree, field, sign, self._compared(right))
        if right.value is None:
            return Constant(None)
        if field.type is DataType.ARRAY:
            if sign not in ("==", "!="):
                raise FilterError(f"column {tree.column}: an array is compared with == or != only", column=tree.column)
            return _negated(Elements(field.name, (_stored(field, [right]),)), sign == "!=")
        if field.type is DataType.BOOL and sign not in ("==", "!="):
            raise FilterError(f"column {tree.column}: a bool is compared with == or != only", column=tree.column)
        value = _value(field, field.type, right)
        if field.type in _INTEGERS and isinstance(value, float):
            return _whole_comparison(field.name, sign, value)
        return Compare(field.name, sign, value)

    def _pair(self, tree: Comparison, left: Field, sign: str, right: Field) -> Predicate:
        if DataType.ARRAY in (left.type, right.type) or _kind(left.type) != _kind(right.type):
            raise FilterError(
                f"column {tree.column}: {left.name!r} ({left.type}) and {right.name!r} ({right.type}) cannot be compared",
                column=tree.column,
            )
        return ComparePair(left.name, sign, right.name)

    def _membership(self, operand: Operand, values: tuple[Literal, ...]) -> Predicate:
        if isinstance(operand, Literal):
            tests = tuple(_constant(operand, "==", value) for value in values)
            return AnyOf(tests) if tests else Constant(False)
        field = self._compared(operand)
        given = [value for value in values if value.value is not None]
        stored = _stored(field, given)
        found: Predicate = Elements(field.name, (stored,)) if field.type is DataType.ARRAY else OneOf(field.name, stored)
        return found if len(given) == len(values) else AnyOf((found, Constant(None)))

    def _like(self, operand: Operand, pattern: Literal) -> Predicate:
        if isinstance(operand, Literal):
            raise FilterError(f"column {operand.column}: 'like' needs a string field on its left", column=operand.column)
        field = self._compared(operand)
        if not field.type.is_string:
            raise FilterError(
                f"column {operand.column}: 'like' needs a string field, {field.name!r} is {field.type}", column=operand.column
            )
        assert isinstance(pattern.value, str)
        return MatchesPattern(field.name, LikePattern(pattern.value))

    def _null_test(self, operand: Operand) -> Predicate:
        return Constant(operand.value is None) if isinstance(operand, Literal) else IsNull(self._field(operand).name)

    def _array_test(self, operand: Identifier, values: tuple[Literal, ...], every: bool) -> Predicate:
        field = self._field(operand)
        if field.type is not DataType.ARRAY:
            raise FilterError(f"column {operand.column}: {field.name!r} is {field.type}, not an array", column=operand.column)
        for value in values:
            if value.value is None:
                raise FilterError(f"column {value.column}: an array has no null elements", column=value.column)
        groups = [[value] for value in values] if every else [list(values)]
        return Elements(field.name, tuple(_stored(field, group) for group in groups))


def _negated(predicate: Predicate, negated: bool) -> Predicate:
    return Negation(predicate) if negated else predicate


def _kind(kind: DataType) -> str:
    if kind.is_string:
        return "string"
    if kind in _NUMBERS:
        return "number"
    return "moment" if kind in _MOMENTS else kind.value


def _constant(left: Literal, sign: str, right: Literal) -> Constant:
    a, b = left.value, right.value
    if a is None or b is None:
        return Constant(None)
    alike = isinstance(a, str) == isinstance(b, str) and isinstance(a, bool) == isinstance(b, bool)
    if not alike:
        raise FilterError(f"column {right.column}: {a!r} and {b!r} cannot be compared", column=right.column)
    return Constant(bool(OPERATORS[sign](a, b)))


def _whole_comparison(field: str, sign: str, value: float) -> Predicate:
    """A whole number against one that is not whole, or not finite: exact, without a detour through floating point."""
    if sign in ("==", "!="):
        return Whenever(field, sign == "!=")
    if math.isinf(value):
        return Whenever(field, (value > 0) == (sign[0] == "<"))
    return Compare(field, "<=" if sign[0] == "<" else ">", math.floor(value))


def _value(field: Field, kind: DataType, literal: Literal) -> int | float | bytes:
    """The literal in the storage form of `kind`; a float stays one if a whole number is stored and it is not whole."""
    value = literal.value
    if kind.is_string and isinstance(value, str):
        return value.encode()
    if kind is DataType.BOOL and isinstance(value, bool):
        return value
    if kind in _NUMBERS and isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if kind in _INTEGERS and isinstance(value, float) and value.is_integer() else value
    if kind in _EXAMPLES:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str):
            try:
                return parse_moment(kind, value)
            except (ValueError, OverflowError):
                pass
        raise _mismatch(field, kind, literal, f", such as {_EXAMPLES[kind]}")
    raise _mismatch(field, kind, literal, "")


def _mismatch(field: Field, kind: DataType, literal: Literal, hint: str) -> FilterError:
    what = "has elements of type" if field.type is DataType.ARRAY else "is"
    return FilterError(f"column {literal.column}: {field.name!r} {what} {kind}{hint}, not {_shown(literal.value)}", column=literal.column)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "..."


def parse_moment(kind: DataType, text: str) -> int:
    """Days, microseconds of the day, or microseconds since 1970, from ISO 8601; times without a zone are UTC. Raises ValueError or
    OverflowError."""
    if kind is DataType.DATE:
        return datetime.date.fromisoformat(text).toordinal() - _EPOCH.toordinal()
    if kind is DataType.TIME:
        time = datetime.time.fromisoformat(text)
        return ((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000 + time.microsecond
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // _MICROSECOND


def _stored(field: Field, literals: list[Literal]) -> npt.NDArray[Any] | frozenset[bytes]:
    """The values that a cell (an element, for arrays) can have, in storage form; others cannot be equal to any and are left out."""
    kind = field.element_type if field.type is DataType.ARRAY else field.type
    assert kind is not None
    values = [_value(field, kind, literal) for literal in literals]
    if kind.is_string:
        return frozenset(value for value in values if isinstance(value, bytes))
    if kind.dtype.kind == "i":
        info = np.iinfo(kind.dtype)
        return np.array([v for v in values if isinstance(v, int) and info.min <= v <= info.max], kind.dtype)
    with np.errstate(over="ignore"):
        return np.array(values, np.float64 if kind is DataType.DOUBLE else kind.dtype)
