"""Matching of texts against regular expressions of a description, bounded in time: each match, and all together."""

from __future__ import annotations

import threading
import time
from functools import lru_cache

import regex

# Descriptions come from elsewhere, and `(a+)+$` takes exponential time. The module `regex` has a time-out, which `re`
# lacks.
PATTERN_SECONDS = 0.5

# A description has a thousand patterns, each of which may be slow. What is usual
# takes microseconds and never uses this up.
TOTAL_SECONDS = 2.0
# What a match may take when that is spent: enough for what is usual, which is not to suffer from another's patterns.
LEAST_SECONDS = 0.002
# Of each second that passes, for processes that serve for long.
REFILL = 0.1


class PatternBudget:
    """The CPU time that slow matches of a process may take: `total` seconds together, refilled by REFILL of the time.

    Each match takes LEAST_SECONDS even so.
    """

    def __init__(self, total: float = TOTAL_SECONDS) -> None:
        self._total = total
        self._left = total
        self._time = time.monotonic()
        self._lock = threading.Lock()

    def limit(self) -> float:
        """Return the seconds that the next match may take."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self._total, self._left + (now - self._time) * REFILL)
            self._time = now
            return max(LEAST_SECONDS, min(PATTERN_SECONDS, self._left))

    def spend(self, seconds: float) -> None:
        with self._lock:
            self._left = max(0.0, self._left - seconds)


_BUDGET = PatternBudget()


def pattern_matches(expression: str, text: str, budget: PatternBudget = _BUDGET) -> bool:
    """Return whether `expression` is found in `text`; True for an expression that is invalid in Python.

    TimeoutError when it takes longer than PATTERN_SECONDS, or than the budget has left. A search and not a full match:
    JSON Schema 2020-12 Validation §6.3.3 does not anchor `pattern`.
    """
    seconds, start = budget.limit(), time.thread_time()
    try:
        return regex.search(expression, text, timeout=seconds) is not None
    # Groups in groups by the hundred, which `re` reads and `regex` does not.
    except (regex.error, RecursionError):
        return True
    finally:
        budget.spend(time.thread_time() - start)


def path_groups(template: regex.Pattern[str], path: str, budget: PatternBudget = _BUDGET) -> tuple[str, ...] | None:
    """Return the groups of a template that matches all of `path`; None where it does not, or not in time."""
    seconds, start = budget.limit(), time.thread_time()
    try:
        match = template.fullmatch(path, timeout=seconds)
    except TimeoutError:
        return None
    finally:
        budget.spend(time.thread_time() - start)
    return match.groups() if match else None


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
