"""Which version serves which request: the table of 200 contexts, and what holds for every configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from nlapi.errors import NlapiError
from nlapi.routing.model import (
    Canary,
    CanaryState,
    Configuration,
    Field,
    FieldType,
    Match,
    Objective,
    Override,
    Range,
    Rule,
    Shard,
)
from nlapi.routing.table import Table, UnknownObjectiveError, compile_table
from tests.routing.kit import (
    HOME,
    SMALL,
    a_configuration,
    a_context,
    example,
    seeds,
    shares,
    together,
    version,
    versions,
    when,
    without_buckets,
)
from tests.strategies import examples
from tests.tables import table

EXPECTED = Path(__file__).with_name("contexts.txt")
fixed = settings(max_examples=examples(200), deadline=None, derandomize=True)


def small(*nouns: Any) -> Table:
    return compile_table(together(Shard(name="local"), *versions("m@v0", "m@v1", "m@v2", "m@v3"), SMALL, *nouns), 7)


def served(table: Table, client: str = "", **context: Any) -> str:
    return str(table.decide("small", context, client).version)


def lines() -> list[tuple[str, dict[str, Any], str, str, str]]:
    """Of each line of contexts.txt: the objective, the context, the client, the expected version and what decides."""
    kinds = {"hour": int, "amount": float, "kids": lambda text: text == "true"}
    found = []
    for line in EXPECTED.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            objective, pairs, expected, by = (part.strip() for part in line.split("|"))
            context = {name: value for name, _, value in (pair.partition("=") for pair in pairs.split())}
            client = context.pop("client", "")
            typed = {name: kinds.get(name, str)(value) for name, value in context.items()}
            found.append((objective, typed, client, expected, by))
    return found


def test_two_hundred_contexts_get_the_expected_version() -> None:
    table = compile_table(example(), 3)
    rows = lines()
    assert len(rows) == 200
    wrong = []
    for objective, context, client, expected, by in rows:
        decision = table.decide(objective, context, client)
        names = (decision.override, decision.experiment, decision.rule, decision.canary)
        told = " + ".join(name for name in names if name) or "default"
        if (str(decision.version), told) != (expected, by):
            wrong.append((objective, context, client, str(decision.version), told, expected, by))
    assert not wrong


@fixed
@given(seeds)
def test_a_decision_and_its_explanation_are_the_same(random: Random) -> None:
    table = compile_table(a_configuration(random), 1)
    for _ in range(20):
        context, client = a_context(random), random.choice(["", "app", "lab"])
        explained = table.explain("small", context, client).decision
        assert explained == table.decide("small", context, client) == table.decide("small", context, client)


@fixed
@given(seeds)
def test_the_same_request_always_gets_the_same(random: Random) -> None:
    configuration = a_configuration(random)
    first, second = compile_table(configuration, 1), compile_table(configuration, 1)
    seen = [a_context(random) for _ in range(10)]
    decided = [first.decide("small", context) for context in seen]
    assert decided == [second.decide("small", dict(context)) for context in reversed(seen)][::-1]
    written = [compile_table(without_buckets(configuration), 1) for _ in range(2)]
    assert len({tuple(str(table.decide("small", context)) for context in seen) for table in written}) == 1


def test_an_objective_that_is_not_there_names_the_nearest() -> None:
    table = compile_table(example(), 1)
    with pytest.raises(UnknownObjectiveError, match="did you mean 'continue-watching'") as raised:
        table.decide("continue-watchin", {})
    assert raised.value.nearest == "continue-watching"
    with pytest.raises(UnknownObjectiveError, match="there are: continue-watching, home, payment-fraud"):
        table.explain("zzz", {})
    with pytest.raises(UnknownObjectiveError, match="there are: none"):
        compile_table(Configuration(), 1).decide("x", {})


def test_a_decision_says_version_shard_rule_and_revision() -> None:
    decision = compile_table(example(), 42).decide("continue-watching", {"country": "PT"})
    assert (decision.version, decision.shard, decision.revision) == (version("ranker@v8"), "local", 42)
    assert (decision.rule, decision.reason) == ("lusophone", "rule lusophone matched: country is BR or PT")


def test_the_first_match_by_position_wins() -> None:
    late = Rule(name="a", objective="small", match=when(country="BR"), shares=shares("m@v1 100"), position=9)
    early = Rule(name="b", objective="small", match=when(country="BR"), shares=shares("m@v2 100"), position=1)
    assert served(small(late, early), country="BR") == "m@v2"
    assert served(small(replace(late, position=0), early), country="BR") == "m@v1"


def test_an_absent_field_is_none_of_the_values_and_in_no_range() -> None:
    rule = Rule(name="r", objective="small", shares=shares("m@v1 100"))
    assert served(small(replace(rule, match=when(country="BR")))) == "m@v0"
    assert served(small(replace(rule, match=Match(unless={"country": ("BR",)})))) == "m@v1"
    assert served(small(replace(rule, match=Match(between={"age": Range(least=0)})))) == "m@v0"
    assert served(small(replace(rule, match=Match(between={"age": Range()}))), age=3) == "m@v1"


@table(("age", "expected"), [(17, "m@v0"), (18, "m@v1"), (29.9, "m@v1"), (30, "m@v0"), ("20", "m@v0")])
def test_a_range_holds_its_least_and_not_its_below(age: Any, expected: str) -> None:
    match = Match(between={"age": Range(least=18, below=30)})
    assert served(small(Rule(name="r", objective="small", match=match, shares=shares("m@v1 100"))), age=age) == expected


def test_a_client_may_be_matched_and_overridden_and_is_not_taken_from_the_context() -> None:
    rule = Rule(name="r", objective="small", match=when(client="app"), shares=shares("m@v1 100"))
    assert served(small(rule), client="app") == "m@v1"
    assert served(small(rule), **{"country": "app"}) == "m@v0"
    override = Override(name="o", objective="small", field="client", value="app", version=version("m@v2"))
    assert served(small(rule, override), client="app") == "m@v2"
    assert small(rule).decide("small", {"client": "app"}, "web").version == version("m@v0")


def test_an_override_goes_before_experiments_rules_and_canaries() -> None:
    override = Override(name="o", objective="small", field="user", value="u1", version=version("m@v3"))
    rule = Rule(name="r", objective="small", shares=shares("m@v1 100"))
    canary = Canary(name="c", objective="small", version=version("m@v2"), percent=100)
    table = small(override, rule, canary)
    decision = table.decide("small", {"user": "u1"})
    assert (decision.version, decision.override, decision.canary) == (version("m@v3"), "o", "")
    assert table.decide("small", {"user": "u2"}).version == version("m@v2")


def test_a_canary_moves_what_its_base_would_serve() -> None:
    rule = Rule(name="r", objective="small", match=when(country="BR"), shares=shares("m@v1 100"))
    canary = Canary(name="c", objective="small", base=version("m@v1"), version=version("m@v2"), percent=100)
    table = small(rule, canary)
    assert served(table, country="BR", user="u") == "m@v2"
    assert served(table, country="US", user="u") == "m@v0"
    decision = table.decide("small", {"country": "BR", "user": "u"})
    assert (decision.rule, decision.canary) == ("r", "c")
    assert decision.reason.endswith("canary c moved its 100 % from m@v1")


@table(
    ("state", "expected"),
    [
        (CanaryState.RUNNING, "m@v1"),
        (CanaryState.PAUSED, "m@v1"),
        (CanaryState.DONE, "m@v1"),
        (CanaryState.ROLLED_BACK, "m@v0"),
    ],
)
def test_only_a_canary_that_was_rolled_back_moves_nobody(state: CanaryState, expected: str) -> None:
    canary = Canary(name="c", objective="small", version=version("m@v1"), percent=100, state=state)
    assert served(small(canary), user="u") == expected


def test_a_canary_builds_on_one_that_is_done() -> None:
    done = Canary(name="z", objective="small", version=version("m@v1"), percent=100, state=CanaryState.DONE)
    next_ = Canary(name="a", objective="small", base=version("m@v1"), version=version("m@v2"), percent=100)
    assert served(small(done, next_), user="u") == "m@v2"


def test_without_its_unit_a_split_falls_to_its_largest_share_and_says_so() -> None:
    rule = Rule(name="r", objective="small", shares=shares("m@v1 30, m@v2 70"))
    decision = small(rule).decide("small", {"country": "BR"})
    assert decision.version == version("m@v2")
    assert "there is no user in the context, so its largest share" in decision.reason


def test_without_its_unit_no_experiment_and_no_canary_takes_a_request() -> None:
    canary = Canary(name="c", objective="small", version=version("m@v1"), percent=100)
    assert served(small(canary), country="BR") == "m@v0"
    home = compile_table(example(), 1)
    assert all(not home.decide("home", context).experiment for context in ({}, {"country": "US"}))


def test_shadows_that_match_are_named_whatever_decides() -> None:
    table = compile_table(example(), 1)
    assert table.decide("home", {"country": "US"}).shadows == ("next",)
    assert table.decide("home", {"country": "BR"}).shadows == ()


def test_numbers_and_texts_may_be_units() -> None:
    rule = Rule(name="r", objective="small", unit="age", shares=shares("m@v1 50, m@v2 50"))
    table = small(rule)
    for age in range(50):
        assert served(table, age=age) == served(table, age=float(age)) == served(table, age=str(age))
    assert served(table, age="\ud800")


def test_nothing_decides_without_a_default() -> None:
    configuration = together(Objective(name="bare"), *versions("m@v0"))
    with pytest.raises(NlapiError, match="give the objective a default version"):
        compile_table(configuration, 1).decide("bare", {})


def test_more_kinds_of_requests_than_are_remembered_are_decided_all_the_same() -> None:
    fields = ("a", "b", "c")
    objective = Objective(
        name="wide",
        default=version("m@v0"),
        context=tuple(Field(name=name, type=FieldType.INTEGER) for name in fields),
    )
    rules = [
        Rule(name=f"{name}{number}", objective="wide", match=when(**{name: number}), shares=shares("m@v1 100"))
        for name in fields
        for number in range(0, 90, 2)
    ]
    table = compile_table(together(objective, *versions("m@v0", "m@v1"), *rules), 1)
    for a in range(90):
        for b in range(90):
            for c in (*range(0, 90, 2), 1, 3):
                even = not (a % 2 and b % 2 and c % 2)
                assert str(table.decide("wide", {"a": a, "b": b, "c": c}).version) == ("m@v1" if even else "m@v0")


def test_a_table_keeps_its_revision_when_another_is_compiled() -> None:
    first = compile_table(example(), 1)
    changed = together(replace(HOME, default=version("rows@v2")), start=example())
    second = compile_table(changed, 2)
    assert [str(table.decide("home", {}).version) for table in (first, second)] == ["rows@v1", "rows@v2"]
    assert [table.decide("home", {}).revision for table in (first, second)] == [1, 2]
