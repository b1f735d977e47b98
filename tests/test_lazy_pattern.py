"""Patterns that are compiled when they are first used match as those of `re`, and all of the package's compile."""

from __future__ import annotations

import importlib
import pkgutil
import re

import nlapi.planner
import nlapi.resources
import nlapi.tools
from nlapi.lazy_pattern import lazy_pattern


def test_a_lazy_pattern_answers_as_a_compiled_one() -> None:
    for expression, flags, text in ((r"(?P<n>\d+) s", re.IGNORECASE, "wait 90 S, then 5 s"), ("^a", 0, "b")):
        lazy, eager = lazy_pattern(expression, flags), re.compile(expression, flags)
        for _ in range(2):
            assert [match.span() for match in lazy.finditer(text)] == [match.span() for match in eager.finditer(text)]
            assert lazy.sub("x", text) == eager.sub("x", text)
            assert (lazy.search(text) is None) is (eager.search(text) is None)
        assert (lazy.pattern, lazy.flags, lazy.groupindex) == (eager.pattern, eager.flags, eager.groupindex)


def test_every_lazy_pattern_of_the_package_compiles() -> None:
    kind = type(lazy_pattern(""))
    compiled = 0
    for package in (nlapi.planner, nlapi.resources, nlapi.tools):
        for entry in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(entry.name)).values():
                if isinstance(value, kind):
                    compiled += isinstance(value.pattern, str)
    assert compiled > 50
