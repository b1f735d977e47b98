"""Regular expressions that are compiled when they are first used: a command imports hundreds of them and needs few."""

from __future__ import annotations

import re
from typing import cast


class _LazyPattern:
    """A pattern that is compiled at the first look at one of its attributes, each of which is then its own."""

    def __init__(self, expression: str, flags: int) -> None:
        self._expression, self._flags = expression, flags

    def __getattr__(self, name: str) -> object:
        value = getattr(re.compile(self._expression, self._flags), name)
        setattr(self, name, value)
        return value


def lazy_pattern(expression: str, flags: int = 0) -> re.Pattern[str]:
    """Return what `re.compile` returns, compiled when it is first used. The functions of `re` do not take it."""
    return cast("re.Pattern[str]", _LazyPattern(expression, flags))
