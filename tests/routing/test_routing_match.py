"""How matches lie to each other agrees with trying every context."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

from hypothesis import given, settings

from nlapi.routing.matching import CoverageIndex, covers, intersect, matches_context
from nlapi.routing.model import Match, Range
from tests.routing.kit import VALUES, a_match, seeds, when
from tests.strategies import examples

DOMAINS = {name: VALUES[name] for name in ("device", "kids")}
OUTSIDE: dict[str, tuple[Any, ...]] = {"country": ("elsewhere",), "age": (-1, 6, 7, 0.5)}
"""What fields that are not closed may hold besides."""


def every_context() -> list[dict[str, Any]]:
    fields = {name: (*values, *OUTSIDE.get(name, ()), None) for name, values in VALUES.items()}
    return [
        {name: value for name, value in zip(fields, values, strict=True) if value is not None}
        for values in product(*fields.values())
    ]


CONTEXTS = every_context()
fixed = settings(max_examples=examples(150), deadline=None, derandomize=True)


@fixed
@given(seeds)
def test_what_covers_matches_all_that_the_other_does(random: Random) -> None:
    wide, narrow = a_match(random), a_match(random)
    if covers(wide, narrow, DOMAINS):
        assert all(matches_context(wide, context) for context in CONTEXTS if matches_context(narrow, context))


@fixed
@given(seeds)
def test_matches_that_do_not_intersect_share_no_context(random: Random) -> None:
    one, other = a_match(random), a_match(random)
    shared = any(matches_context(one, context) and matches_context(other, context) for context in CONTEXTS)
    assert shared <= intersect(one, other, DOMAINS)
    assert intersect(one, other, DOMAINS) == intersect(other, one, DOMAINS)


@fixed
@given(seeds)
def test_the_masks_find_what_comparing_each_with_each_finds(random: Random) -> None:
    matches = [a_match(random) for _ in range(12)]
    covering = CoverageIndex(matches, DOMAINS)
    for number, match in enumerate(matches):
        earlier = (index for index in range(number) if covers(matches[index], match, DOMAINS))
        assert covering.first_covering(number) == next(earlier, None)


def test_a_match_covers_itself_and_everything_covers_it() -> None:
    match = Match(when={"country": ("BR",)}, unless={"device": ("tv",)}, between={"age": Range(least=3)})
    assert covers(match, match, {})
    assert covers(Match(), match, {})
    assert not covers(match, Match(), {})
    assert intersect(match, when(country=("BR", "US"), device="web"), {})
    assert not intersect(match, when(country="US"), {})
