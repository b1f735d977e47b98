"""Generation of a text that matches a regular expression of a description."""

from __future__ import annotations

import re
from importlib import import_module
from random import Random
from typing import Any

from nlapi.tools.patterns import bounded

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
MOST_REPEATS = 12
ATTEMPTS = 12


def match(pattern: str, rng: Random, *, least: int = 0, most: int | None = None) -> str | None:
    """Return a match of the pattern with `min_length` to `max_length` characters; None after ATTEMPTS failures."""
    try:
        tree = _parser.parse(pattern)
    except (re.error, OverflowError):
        return None
    for attempt in range(ATTEMPTS):
        # Every second attempt repeats as much as the length needs: short texts look natural, long ones may be required.
        text = _sequence(tree, rng, least if attempt % 2 else 0)
        if len(text) < least and not pattern.endswith("$"):
            text += "".join(rng.choice("abcdefghij") for _ in range(least - len(text)))
        if len(text) >= least and (most is None or len(text) <= most) and bounded(pattern).matches(text):
            return text
    return None


def _sequence(nodes: Any, rng: Random, want: int) -> str:
    return "".join(_node(op, argument, rng, want) for op, argument in nodes)


def _node(op: Any, argument: Any, rng: Random, want: int) -> str:
    if op is _constants.LITERAL:
        return chr(argument)
    if op is _constants.NOT_LITERAL:
        return next(char for char in "ax0" if ord(char) != argument)
    if op is _constants.ANY:
        return rng.choice("abcdefghijklmnopqrstuvwxyz")
    if op is _constants.IN:
        return rng.choice(_members(argument))
    if op is _constants.BRANCH:
        return _sequence(rng.choice(argument[1]), rng, want)
    if op is _constants.SUBPATTERN:
        return _sequence(argument[3], rng, want)
    if op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
        low, high, inner = argument
        top = min(int(high), max(low, want, low + 6 if low < MOST_REPEATS else low))
        return "".join(_sequence(inner, rng, 0) for _ in range(rng.randint(max(low, min(want, top)), top)))
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
