"""The rules of the planner can be turned off where they are measured, and are back afterwards."""

from __future__ import annotations

import pytest

from nlapi.reading.text import tokenize
from training.rules import RULES, lines_of, place_of, traced, without

KILL = tokenize("kill run 4")


def test_every_rule_is_where_the_table_says_and_has_lines() -> None:
    for rule in RULES.values():
        assert all(place_of(*place) for place in rule.places), rule.name


def test_a_rule_that_is_off_says_nothing_and_is_back_afterwards() -> None:
    rule = RULES["rewriting: commands"]
    planner, original = place_of(*rule.places[0])
    with without(rule):
        assert planner.read_command(KILL, 0, lambda: {"cancel"})[0].lower == "kill"
    assert planner.read_command is original
    assert planner.read_command(KILL, 0, lambda: {"cancel"})[0].lower == "cancel"


def test_a_rule_is_traced_where_it_says_something_else_than_nothing() -> None:
    fired: set[str] = set()
    rule = RULES["rewriting: commands"]
    planner, _ = place_of(*rule.places[0])
    with traced(RULES, fired):
        planner.read_command(tokenize("show the run"), 0, lambda: {"cancel"})
        assert not fired
        planner.read_command(KILL, 0, lambda: {"cancel"})
        assert fired == {rule.name}


@pytest.mark.slow
def test_the_lines_of_a_rule_are_its_own_and_those_that_only_it_uses() -> None:
    assert lines_of(RULES["overrides"]) > lines_of(RULES["overrides: new name"]) > 10
