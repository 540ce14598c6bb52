"""From tokens to the tree, by recursive descent.

expression := conjunction { ("or" | "||") conjunction }
conjunction := negation { ("and" | "&&") negation }
negation   := ("not" | "!") negation | predicate
predicate  := "(" expression ")"
            | operand ("==" | "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=") operand
            | operand ["not"] "in" list  |  operand "not_in" list
            | operand ["not"] "like" string
            | operand "is" ["not"] "null"
            | "array_contains" "(" field "," literal ")"
            | ("array_contains_any" | "array_contains_all") "(" field "," list ")"
operand    := field | literal
list       := "[" [ literal { "," literal } ] "]"  |  "(" [ literal { "," literal } ] ")"
literal    := integer | float | "true" | "false" | "null" | string in ' or "
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hippod.engine.expr.lexer import Token, tokenize
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
from hippod.errors import FilterError

CLAUSES_MAX: Final = 256
DEPTH_MAX: Final = 16
VALUES_MAX: Final = 100_000

_COMPARISONS: Final = {"==": "==", "=": "==", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_ARRAY_TESTS: Final = {"array_contains": False, "array_contains_any": False, "array_contains_all": True}


def parse(text: str) -> Expression:
    """The tree of `text`. Raises FilterError that says where and what was expected, or which limit is passed."""
    return _Parser(tokenize(text)).whole()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._clauses = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def whole(self) -> Expression:
        tree = self._expression()
        if self._next.kind != "end":
            raise self._expected("'and', 'or' or the end")
        return tree

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _accept(self, *texts: str) -> Token | None:
        if self._next.kind in ("keyword", "symbol") and self._next.text in texts:
            return self._take()
        return None

    def _require(self, text: str) -> None:
        if self._accept(text) is None:
            raise self._expected(f"{text!r}")

    def _expected(self, what: str) -> FilterError:
        token = self._next
        found = "the end" if token.kind == "end" else repr(token.text[:40])
        return FilterError(f"column {token.column}: expected {what}, found {found}", column=token.column)

    def _expression(self) -> Expression:
        return self._chain(self._conjunction, Or, "or", "||")

    def _conjunction(self) -> Expression:
        return self._chain(self._negation, And, "and", "&&")

    def _chain(self, part: Callable[[], Expression], join: type[And | Or], *words: str) -> Expression:
        parts = [part()]
        while self._accept(*words):
            parts.append(part())
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise FilterError(f"column {self._next.column}: a filter is nested at most {DEPTH_MAX} deep", column=self._next.column)

    def _negation(self) -> Expression:
        if self._accept("not", "!"):
            self._deeper()
            part = self._negation()
            self._depth -= 1
            return Not(part)
        return self._predicate()

    def _predicate(self) -> Expression:
        if self._accept("("):
            self._deeper()
            inner = self._expression()
            self._require(")")
            self._depth -= 1
            return inner
        self._clauses += 1
        if self._clauses > CLAUSES_MAX:
            raise FilterError(f"column {self._next.column}: a filter has at most {CLAUSES_MAX} clauses", column=self._next.column)
        if self._next.kind == "word" and self._next.text.lower() in _ARRAY_TESTS and self._tokens[self._at + 1].text == "(":
            return self._array_test()
        return self._comparison(self._operand())

    def _comparison(self, operand: Operand) -> Expression:
        token = self._next
        if token.kind == "symbol" and token.text in _COMPARISONS:
            self._take()
            return Comparison(operand, _COMPARISONS[token.text], self._operand(), token.column)
        if self._accept("is"):
            negated = self._accept("not") is not None
            self._require("null")
            return NullTest(operand, negated)
        if self._accept("not_in"):
            return Membership(operand, self._list(), negated=True)
        negated = self._accept("not") is not None
        if self._accept("in"):
            return Membership(operand, self._list(), negated)
        if self._accept("like"):
            return Like(operand, self._string(), negated)
        raise self._expected("'in' or 'like'" if negated else "a comparison, 'in', 'not in', 'like' or 'is null'")

    def _array_test(self) -> Expression:
        name = self._take().text.lower()
        self._require("(")
        if self._next.kind != "word":
            raise self._expected("an array field")
        field = Identifier(self._next.text, self._take().column)
        self._require(",")
        values = (self._literal(),) if name == "array_contains" else self._list()
        self._require(")")
        return ArrayTest(field, values, _ARRAY_TESTS[name])

    def _operand(self) -> Operand:
        if self._next.kind == "word":
            return Identifier(self._next.text, self._take().column)
        return self._literal()

    def _string(self) -> Literal:
        if self._next.kind != "string":
            raise self._expected("a pattern in quotes")
        token = self._take()
        return Literal(token.text, token.column)

    def _list(self) -> tuple[Literal, ...]:
        opened = self._accept("[", "(")
        if opened is None:
            raise self._expected("'['")
        closing = "]" if opened.text == "[" else ")"
        values: list[Literal] = []
        if self._accept(closing):
            return ()
        while True:
            values.append(self._literal())
            if len(values) > VALUES_MAX:
                raise FilterError(f"column {opened.column}: a list has at most {VALUES_MAX} values", column=opened.column)
            if self._accept(closing):
                return tuple(values)
            if self._accept(",") is None:
                raise self._expected(f"',' or {closing!r}")

    def _literal(self) -> Literal:
        token = self._next
        if token.kind == "string":
            self._take()
            return Literal(token.text, token.column)
        if token.kind == "number":
            self._take()
            return Literal(int(token.text) if token.text.lstrip("-").isdigit() else float(token.text), token.column)
        word = self._accept("true", "false", "null")
        if word is not None:
            return Literal({"true": True, "false": False, "null": None}[word.text], token.column)
        raise self._expected("a field or a value")
