"""Parses and decides simple conditions (Arazzo 1.1, Criterion Object): `$statusCode == 200 && $response.body#/ok`.

The grammar is parsed into a tree, and the tree decided; no part of a document is ever run as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

from nlapi.workflows.expressions import Expression, ExpressionError, parse_expression


class Operator(StrEnum):
    """A comparison."""

    EQUAL = "=="
    UNEQUAL = "!="
    LESS_OR_EQUAL = "<="
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    GREATER = ">"


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the condition."""

    value: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two operands and the operator between them."""

    left: Literal | Expression
    operator: Operator
    right: Literal | Expression


@dataclass(frozen=True, slots=True)
class Negation:
    """The opposite of a condition."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Conditions that all have to hold, or one of which has to where `is_any` is set."""

    conditions: tuple[Condition, ...]
    is_any: bool = False


Condition: TypeAlias = "Literal | Expression | Comparison | Negation | Conjunction"

# Levels of parentheses; a person writes two.
MAX_DEPTH = 40

MAX_LENGTH = 4_000

_TOKEN = re.compile(
    r"""\s*(?:(?P<operator>==|!=|<=|>=|<|>|&&|\|\||!|\(|\))
    |(?P<single>'(?:[^']|'')*')|(?P<double>"[^"]*")
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])
    |(?P<expression>\$(?:\[[^\]]*\]|[^\s()<>=!&|\[])+)
    |(?P<word>[^\s()<>=!&|'"$]+))""",
    re.VERBOSE,
)

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

_WORDS = {"true": True, "false": False, "null": None}


class ConditionError(ValueError):
    """A text that is no simple condition."""


@lru_cache(maxsize=4096)
def parse_condition(text: str) -> Condition:
    """Return the tree of a simple condition. ConditionError, with the place, when it is none."""
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"the condition has {len(text):,} characters; {MAX_LENGTH:,} are read")
    return _Parser(text).parse()


class _Parser:
    """Reads one condition by recursive descent: or, and, not, comparison, operand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.position = 0
        self.depth = 0

    def _tokens(self) -> list[tuple[str, str]]:
        tokens, position = [], 0
        text = self.text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                raise ConditionError(f"{self.text!r} cannot be read from {text[position:][:20]!r} on")
            tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        return tokens

    def parse(self) -> Condition:
        condition = self._any()
        if self.position < len(self.tokens):
            raise ConditionError(f"{self.text!r}: {self.tokens[self.position][1]!r} is not expected")
        return condition

    def _peek(self) -> str:
        return self.tokens[self.position][1] if self.position < len(self.tokens) else ""

    def _take(self, *texts: str) -> str:
        kind = self.tokens[self.position][0] if self.position < len(self.tokens) else ""
        if kind == "operator" and self._peek() in texts:
            self.position += 1
            return self.tokens[self.position - 1][1]
        return ""

    def _any(self) -> Condition:
        conditions = [self._all()]
        while self._take("||"):
            conditions.append(self._all())
        return conditions[0] if len(conditions) == 1 else Conjunction(tuple(conditions), is_any=True)

    def _all(self) -> Condition:
        conditions = [self._not()]
        while self._take("&&"):
            conditions.append(self._not())
        return conditions[0] if len(conditions) == 1 else Conjunction(tuple(conditions))

    def _not(self) -> Condition:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ConditionError(f"the condition has more than {MAX_DEPTH} levels")
        condition = Negation(self._not()) if self._take("!") else self._comparison()
        self.depth -= 1
        return condition

    def _comparison(self) -> Condition:
        if self._take("("):
            condition = self._any()
            if not self._take(")"):
                raise ConditionError(f"{self.text!r}: a parenthesis is not closed")
            return condition
        left = self._operand()
        operator = self._take(*Operator)
        return Comparison(left, Operator(operator), self._operand()) if operator else left

    def _operand(self) -> Literal | Expression:
        if self.position >= len(self.tokens):
            raise ConditionError(f"{self.text!r} ends where a value is expected")
        kind, text = self.tokens[self.position]
        self.position += 1
        match kind:
            case "single":
                return Literal(text[1:-1].replace("''", "'"))
            case "double":
                return Literal(text[1:-1])
            case "number":
                return Literal(float(text) if any(sign in text for sign in ".eE") else int(text))
            case "word":
                return Literal(_WORDS[text]) if text in _WORDS else Literal(text)
            case "expression":
                try:
                    expression = parse_expression(text)
                except ExpressionError as error:
                    raise ConditionError(str(error)) from None
                if expression is None:
                    raise ConditionError(f"{self.text!r}: {text} is no expression")
                return expression
        raise ConditionError(f"{self.text!r}: {text!r} stands where a value is expected")


def operands(condition: Condition) -> tuple[Expression, ...]:
    """Return the expressions in a condition, in order."""
    match condition:
        case Expression():
            return (condition,)
        case Comparison(left, _, right):
            return tuple(entry for entry in (left, right) if isinstance(entry, Expression))
        case Negation(inner):
            return operands(inner)
        case Conjunction(conditions):
            return tuple(entry for inner in conditions for entry in operands(inner))
    return ()


def holds(condition: Condition, evaluate: Callable[[Expression], Any]) -> bool:
    """Return whether a condition holds; `evaluate` gives the value of an expression, None where there is none."""
    match condition:
        case Comparison(left, operator, right):
            return _compare(_value(left, evaluate), operator, _value(right, evaluate))
        case Negation(inner):
            return not holds(inner, evaluate)
        case Conjunction(conditions, is_any):
            return (any if is_any else all)(holds(inner, evaluate) for inner in conditions)
        case Literal() | Expression():
            value = _value(condition, evaluate)
            return value is not None and value is not False
    raise AssertionError(condition)


def _value(operand: Literal | Expression, evaluate: Callable[[Expression], Any]) -> Any:
    return operand.value if isinstance(operand, Literal) else evaluate(operand)


def _compare(left: Any, operator: Operator, right: Any) -> bool:
    left, right = _comparable(left, right)
    if operator in (Operator.EQUAL, Operator.UNEQUAL):
        # 1 == true in Python, and not in JSON.
        is_equal = isinstance(left, bool) is isinstance(right, bool) and left == right
        return bool(is_equal is (operator is Operator.EQUAL))
    are_numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (left, right))
    if not are_numbers and not (isinstance(left, str) and isinstance(right, str)):
        return False
    match operator:
        case Operator.LESS:
            return bool(left < right)
        case Operator.LESS_OR_EQUAL:
            return bool(left <= right)
        case Operator.GREATER:
            return bool(left > right)
    return bool(left >= right)


def _comparable(left: Any, right: Any) -> tuple[Any, Any]:
    """Return two values for comparison: texts without case (Arazzo 1.0.1, Criterion Object), numbers in texts read."""
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold(), right.casefold()
    return _as_number(left, right), _as_number(right, left)


def _as_number(value: Any, other: Any) -> Any:
    is_beside_number = isinstance(other, (int, float)) and not isinstance(other, bool)
    if isinstance(value, str) and is_beside_number and len(value) <= MAX_LENGTH and _NUMBER.fullmatch(value):
        # An id of 17 digits is not the one that its float is.
        return int(value) if value.lstrip("-").isdecimal() else float(value)
    return value
