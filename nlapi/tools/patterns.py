"""Matching of texts against regular expressions of a description, bounded in time."""

from __future__ import annotations

from functools import lru_cache

import regex

# Descriptions come from elsewhere, and `(a+)+$` takes exponential time. The module `regex` has a time-out, which `re`
# lacks.
PATTERN_SECONDS = 0.5


def pattern_matches(expression: str, text: str) -> bool:
    """Return whether `expression` is found in `text`; True for an expression that is invalid in Python.

    TimeoutError when it takes longer than PATTERN_SECONDS. A search and not a full match: JSON Schema 2020-12
    Validation §6.3.3 does not anchor `pattern`.
    """
    try:
        return regex.search(expression, text, timeout=PATTERN_SECONDS) is not None
    except regex.error:
        return True


def pattern_fault(expression: str) -> str:
    """Return what is wrong with a regular expression; "" for a valid one."""
    try:
        regex.compile(expression)
    except (regex.error, RecursionError, OverflowError) as error:
        return f"{expression[:60]!r} is no regular expression: {error}"
    return ""


class BoundedPattern:
    """A pattern that many texts are matched against; after its first time-out it matches none."""

    __slots__ = ("expression", "is_slow")

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.is_slow = False

    def matches(self, text: str) -> bool:
        """Return whether the pattern is found in `text`; False after a time-out."""
        if self.is_slow:
            return False
        try:
            return pattern_matches(self.expression, text)
        except TimeoutError:
            self.is_slow = True
            return False


@lru_cache(maxsize=1024)
def bounded_pattern(expression: str) -> BoundedPattern:
    """Return the BoundedPattern of an expression, shared by all callers."""
    return BoundedPattern(expression)
