"""A filter expression as written: what the parser makes and the checker reads. `column` is the 1-based column in the text."""

from __future__ import annotations

from dataclasses import dataclass

Scalar = int | float | bool | str | None


@dataclass(frozen=True, slots=True)
class Identifier:
    name: str
    column: int


@dataclass(frozen=True, slots=True)
class Literal:
    """`value` None stands for the word null."""

    value: Scalar
    column: int


Operand = Identifier | Literal


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operator` is one of == != < <= > >=."""

    left: Operand
    operator: str
    right: Operand
    column: int


@dataclass(frozen=True, slots=True)
class Membership:
    operand: Operand
    values: tuple[Literal, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Like:
    operand: Operand
    pattern: Literal
    negated: bool


@dataclass(frozen=True, slots=True)
class NullTest:
    operand: Operand
    negated: bool


@dataclass(frozen=True, slots=True)
class ArrayTest:
    """Whether an array has any (`every` false) or all (`every` true) of the values."""

    operand: Identifier
    values: tuple[Literal, ...]
    every: bool


@dataclass(frozen=True, slots=True)
class Not:
    part: Expression


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Expression, ...]


Expression = Comparison | Membership | Like | NullTest | ArrayTest | Not | And | Or
