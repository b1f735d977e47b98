"""Selects the patterns of a description that Python reads as ECMA-262 does, within a bounded time to compile them."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from nlapi.lazy_pattern import lazy_pattern
from nlapi.pattern_size import pattern_refusal

# Syntax of ECMA-262 patterns (JSON Schema 2020-12 §6.3.3) that Python's `re` rejects or reads in another way.
ECMA_ONLY = lazy_pattern(r"\\[pPuc]|\\x\{|\(\?<[a-zA-Z]")
# CPU seconds for the compilation of all patterns of a description that are longer than SHORT_PATTERN characters.
COMPILE_SECONDS = 2.0
SHORT_PATTERN = 100

# Python warns that it may read these as set operations one day; the warning is turned into a refusal.
MAYBE_NESTED_SET = lazy_pattern(r"\[\[|--|&&|~~|\|\|")


class CompileTime:
    """The CPU seconds that the patterns of a description have taken to compile."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Count the patterns of the block here."""
        token = _COMPILE_TIME.set(self)
        try:
            yield
        finally:
            _COMPILE_TIME.reset(token)


_COMPILE_TIME = ContextVar[CompileTime]("compile_time")


def sanitize_pattern(value: object) -> Any:
    """Return an ECMA-262 pattern, or None for one that Python reads in another way: it must not refuse valid values.

    None too for one that is too large to compile, which `check` reports.
    """
    if not isinstance(value, str) or ECMA_ONLY.search(value) or pattern_refusal(value):
        return None
    if len(value) <= SHORT_PATTERN:
        return value if _compiles(value) else None
    spent = _COMPILE_TIME.get(None) or CompileTime()
    if spent.seconds > COMPILE_SECONDS:
        return None
    start = time.thread_time()
    compiles = _compiles(value)
    spent.seconds += time.thread_time() - start
    return value if compiles else None


def _compiles(pattern: str) -> bool:
    try:
        if MAYBE_NESTED_SET.search(pattern):
            with warnings.catch_warnings():
                warnings.simplefilter("error", FutureWarning)
                re.compile(pattern)
        else:
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, FutureWarning):
        return False
    return True
