"""Matches texts against regular expressions that others wrote, within bounds of time and memory for each and for all.

No other module compiles a pattern that is not nlapi's own (docs/design/075-one-resolver.md).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import regex

from nlapi.pattern_size import measure, pattern_refusal

T = TypeVar("T")

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

# Steps of a pattern that is compiled at any time: in 0.3 ms.
SMALL_STEPS = 500
# Characters of a pattern times those of a text. `regex` looks at no clock while it searches for a literal or a set.
MAX_COMPARISONS = 2_000_000_000
# Steps of all compiled patterns that are stored, of up to 1.4 kB each, and the cost of the smallest pattern.
MAX_STORED = 100_000
LEAST_STEPS = 10

# What `regex` reads in another way than ECMA-262, by which patterns of JSON Schema go: `$` is the end of a text, also
# where a line break ends it, and a brace that begins no count is itself, where `regex` begins a fuzzy match.
_AS_ECMA = re.compile(
    r"(\\[pP]\{|\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\])|(\$)|\{(?!\d+(?:,\d*)?\}|,\d+\})", re.DOTALL
)
_PROPERTY = re.compile(r"\\[pP]\{")
_MULTILINE = re.compile(r"\(\?[a-z]*m")


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


class PatternError(ValueError):
    """An invalid regular expression, or one in a syntax that is not read; the message names it."""


class TooLargeError(TimeoutError):
    """A regular expression that would take too long, or too much memory, to compile; the message says which."""


class _CompiledPatterns:
    """Compiled patterns by their expression, together of at most MAX_STORED steps: those of `regex` have no bound."""

    def __init__(self) -> None:
        self._stored: dict[tuple[str, bool], tuple[regex.Pattern[str], int]] = {}
        self._steps = 0
        self._lock = threading.Lock()

    def get(self, expression: str, budget: PatternBudget, *, is_ascii: bool) -> regex.Pattern[str]:
        """Return the pattern, compiled within the budget. PatternError or TooLargeError where it is not."""
        stored = self._stored.get((expression, is_ascii))
        if stored is not None:
            return stored[0]
        if reason := pattern_refusal(expression):
            raise TooLargeError(f"{expression[:60]!r} {reason}")
        start = time.thread_time()
        try:
            steps = measure(expression).steps + LEAST_STEPS
            if steps > SMALL_STEPS and budget.limit() <= LEAST_SECONDS:
                raise TooLargeError(f"{expression[:60]!r} would take too long to compile")
            # `regex` has no property of Unicode beyond ASCII then.
            flags = regex.ASCII if is_ascii and not _PROPERTY.search(expression) else 0
            pattern = regex.compile(_as_ecma(expression), flags, cache_pattern=False)
        # Groups in groups by the hundred, which `re` reads and `regex` does not.
        except (ValueError, regex.error, RecursionError, OverflowError) as error:
            raise PatternError(f"{expression[:60]!r} is not a regular expression: {error}") from None
        finally:
            budget.spend(time.thread_time() - start)
        with self._lock:
            if (expression, is_ascii) not in self._stored:  # another thread may have come first
                self._stored[expression, is_ascii] = pattern, steps
                self._steps += steps
            while self._steps > MAX_STORED:
                self._steps -= self._stored.pop(next(iter(self._stored)))[1]
        return pattern


_COMPILED = _CompiledPatterns()


def _as_ecma(expression: str) -> str:
    end = "$" if _MULTILINE.search(expression) else r"\Z"
    return _AS_ECMA.sub(lambda part: part[1] or (end if part[2] else r"\{"), expression)


def search_pattern(expression: str, text: str, budget: PatternBudget = _BUDGET, *, is_ascii: bool = False) -> bool:
    r"""Return whether `expression` is found in `text`. With `is_ascii` `\d` and `\w` are ASCII, as ECMA-262 has them.

    PatternError if it is invalid, TimeoutError when it takes longer than PATTERN_SECONDS or than the budget has left,
    or is too large to compile. A search and not a full match: JSON Schema 2020-12 Validation §6.3.3 does not anchor
    `pattern`.
    """
    pattern = _COMPILED.get(expression, budget, is_ascii=is_ascii)
    if len(expression) * len(text) > MAX_COMPARISONS:
        raise TimeoutError(f"{len(text):,} characters are too many for {expression[:60]!r}")
    return _within(budget, lambda seconds: pattern.search(text, timeout=seconds) is not None)


def pattern_matches(expression: str, text: str, budget: PatternBudget = _BUDGET) -> bool:
    """Return whether `expression` is found in `text`; True for any other, which refuses nothing.

    TimeoutError as `search_pattern`.
    """
    try:
        return search_pattern(expression, text, budget)
    except PatternError:
        return True


def _within(budget: PatternBudget, match: Callable[[float], T]) -> T:
    """Return what a match gives within the seconds that it is called with, counted against the budget."""
    seconds, start = budget.limit(), time.thread_time()
    try:
        return match(seconds)
    finally:
        budget.spend(time.thread_time() - start)


def path_groups(template: regex.Pattern[str], path: str, budget: PatternBudget = _BUDGET) -> tuple[str, ...] | None:
    """Return the groups of a template that matches all of `path`; None where it does not, or not in time."""
    try:
        match = _within(budget, lambda seconds: template.fullmatch(path, timeout=seconds))
    except TimeoutError:
        return None
    return match.groups() if match else None


def pattern_fault(expression: str, budget: PatternBudget = _BUDGET) -> str:
    """Return what is wrong with a regular expression; "" for a valid one."""
    try:
        _COMPILED.get(expression, budget, is_ascii=False)
    except (PatternError, TooLargeError) as error:
        return str(error)
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
