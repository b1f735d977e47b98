"""Matches texts against the patterns of a description, within a bound on time: a description comes from elsewhere."""

from __future__ import annotations

from functools import lru_cache

import regex

PATTERN_SECONDS = 0.5
"""How long one text may take to be matched against a pattern; some would take for ever."""


def matches(expression: str, text: str) -> bool:
    """Whether `expression` is found in `text`; so it is where it is no regular expression that Python knows.

    TimeoutError when it takes longer than PATTERN_SECONDS.
    """
    try:
        return regex.search(expression, text, timeout=PATTERN_SECONDS) is not None
    except regex.error:
        return True


class BoundedPattern:
    """A pattern that many texts are tried against; once it has taken too long it matches none."""

    __slots__ = ("expression", "is_slow")

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.is_slow = False

    def matches(self, text: str) -> bool:
        """Whether the pattern is found in `text`, as far as it can be told in time."""
        if self.is_slow:
            return False
        try:
            return matches(self.expression, text)
        except TimeoutError:
            self.is_slow = True
            return False


@lru_cache(maxsize=1024)
def bounded(expression: str) -> BoundedPattern:
    """Return the BoundedPattern of an expression, the same for all who try texts against it."""
    return BoundedPattern(expression)
