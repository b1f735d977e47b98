"""Generation of a text that matches a regular expression of a description."""

from __future__ import annotations

import re
from importlib import import_module
from random import Random
from typing import Any

from nlapi.tools.patterns import bounded_pattern

# The standard library's own parser of expressions: private, but stable since Python 2 and used by hypothesis.
_parser: Any = import_module("re._parser")
_constants: Any = import_module("re._constants")

CATEGORIES = {
    _constants.CATEGORY_DIGIT: "0123456789",
    _constants.CATEGORY_WORD: "abcdefghijklmnopqrstuvwxyz0123456789",
    _constants.CATEGORY_SPACE: " ",
    _constants.CATEGORY_NOT_DIGIT: "abcdefghijklmnopqrstuvwxyz",
    _constants.CATEGORY_NOT_SPACE: "abcdefghijklmnopqrstuvwxyz0123456789",
    _constants.CATEGORY_NOT_WORD: "-",
}
PRINTABLE = "".join(map(chr, range(0x30, 0x7B))) + " -_.!"
MAX_REPEATS = 12
ATTEMPTS = 12


def generate_match(pattern: str, rng: Random, *, min_length: int = 0, max_length: int | None = None) -> str | None:
    """Return a match of the pattern with `min_length` to `max_length` characters; None after ATTEMPTS failures."""
    try:
        tree = _parser.parse(pattern)
    except (re.error, OverflowError):
        return None
    for attempt in range(ATTEMPTS):
        # Every second attempt repeats as much as the length needs: short texts look natural, long ones may be required.
        text = _sequence(tree, rng, min_length if attempt % 2 else 0)
        if len(text) < min_length and not pattern.endswith("$"):
            text += "".join(rng.choice("abcdefghij") for _ in range(min_length - len(text)))
        if len(text) >= min_length and (max_length is None or len(text) <= max_length) and bounded_pattern(pattern).matches(text):
            return text
    return None


def _sequence(nodes: Any, rng: Random, repeats: int) -> str:
    return "".join(_node(op, argument, rng, repeats) for op, argument in nodes)


def _node(op: Any, argument: Any, rng: Random, repeats: int) -> str:
    if op is _constants.LITERAL:
        return chr(argument)
    if op is _constants.NOT_LITERAL:
        return next(char for char in "ax0" if ord(char) != argument)
    if op is _constants.ANY:
        return rng.choice("abcdefghijklmnopqrstuvwxyz")
    if op is _constants.IN:
        return rng.choice(_members(argument))
    if op is _constants.BRANCH:
        return _sequence(rng.choice(argument[1]), rng, repeats)
    if op is _constants.SUBPATTERN:
        return _sequence(argument[3], rng, repeats)
    if op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
        low, high, inner = argument
        top = min(int(high), max(low, repeats, low + 6 if low < MAX_REPEATS else low))
        return "".join(_sequence(inner, rng, 0) for _ in range(rng.randint(max(low, min(repeats, top)), top)))
    return ""


def _members(parts: Any) -> str:
    """Return the characters of a class, letters and digits only if it has them."""
    chars, negated = "", False
    for op, argument in parts:
        if op is _constants.NEGATE:
            negated = True
        elif op is _constants.LITERAL:
            chars += chr(argument)
        elif op is _constants.RANGE:
            chars += "".join(map(chr, range(argument[0], min(argument[1], argument[0] + 128) + 1)))
        elif op is _constants.CATEGORY:
            chars += CATEGORIES.get(argument, "a")
    if negated:
        return "".join(char for char in PRINTABLE if char not in chars) or "a"
    plain = "".join(char for char in chars if char.isalnum())
    return plain or chars or "a"
