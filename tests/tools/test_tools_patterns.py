"""Patterns of a description are tried within a bound on time."""

from __future__ import annotations

import pytest

from nlapi.tools.patterns import BoundedPattern, pattern_matches

SLOW = "^(a|aa)+$"


def test_a_text_matches_where_the_pattern_is_in_it() -> None:
    assert pattern_matches("b+", "abbc")
    assert not pattern_matches("^b+$", "abbc")


def test_what_is_no_pattern_refuses_nothing() -> None:
    assert pattern_matches("(", "anything")


def test_a_match_that_takes_too_long_is_an_error() -> None:
    with pytest.raises(TimeoutError):
        pattern_matches(SLOW, "a" * 60 + "!")


def test_a_pattern_that_took_too_long_is_not_tried_again() -> None:
    pattern = BoundedPattern(SLOW)
    assert pattern.matches("aaa")
    assert not any(pattern.matches("a" * length + "!") for length in range(60, 160))
    assert pattern.is_slow
