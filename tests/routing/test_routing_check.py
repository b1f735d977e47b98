"""Every fault of a configuration is refused with an Issue that names the place, the fault and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nlapi.errors import Issue, Level
from nlapi.routing.check import check, check_context
from nlapi.routing.model import (
    Canary,
    CanaryState,
    CanaryStep,
    Client,
    Configuration,
    Experiment,
    Field,
    FieldType,
    Guard,
    Layer,
    Match,
    Objective,
    Override,
    Range,
    Rule,
    Shadow,
    Shard,
    ShardProtocol,
    Share,
    Version,
    VersionRef,
)
from nlapi.routing.split import Ranges
from tests.routing.kit import WATCHING, example, shares, together, version, when
from tests.tables import table

NAME = "continue-watching"
ALL = shares("ranker@v8 100")


def rule(name: str = "new", **changes: Any) -> Rule:
    return Rule(**{"name": name, "objective": NAME, "shares": ALL, "position": 99, **changes})


def experiment(name: str = "new", **changes: Any) -> Experiment:
    cells = shares("a=ranker@v7 50, b=ranker@v8 50")
    return Experiment(**{"name": name, "objective": NAME, "cells": cells, **changes})


def canary(name: str = "new", **changes: Any) -> Canary:
    return Canary(**{"name": name, "objective": NAME, "version": version("ranker@v8"), **changes})


def found(*nouns: Any, start: Configuration | None = None) -> list[Issue]:
    return check(together(*nouns, start=start or example()))


def the_one(*nouns: Any) -> Issue:
    (issue,) = found(*nouns)
    return issue


def test_the_example_has_no_fault() -> None:
    assert check(example()) == []
    assert check(Configuration()) == []


FAULTS: dict[str, tuple[Any, str, str, str, str]] = {
    "an unknown objective": (
        rule(objective="continue-watchin"),
        "unknown-objective",
        "rules.new.objective",
        "there is no objective 'continue-watchin'",
        "did you mean 'continue-watching'?",
    ),
    "an unknown model": (
        rule(shares=shares("rankr@v8 100")),
        "unknown-model",
        "rules.new.rankr@v8",
        "there is no model 'rankr'",
        "did you mean 'ranker'?",
    ),
    "an unknown version": (
        rule(shares=shares("ranker@v88 100")),
        "unknown-version",
        "rules.new.ranker@v88",
        "there is no version 'ranker@v88'",
        "did you mean 'ranker@v8'?",
    ),
    "an unknown version as a default": (
        replace(WATCHING, default=version("ranker@v70")),
        "unknown-version",
        "objectives.continue-watching.version",
        "there is no version 'ranker@v70'",
        "did you mean 'ranker@v7'?",
    ),
    "an unknown base of a canary": (
        canary(base=version("ranker@v70")),
        "unknown-version",
        "canaries.new.base_version",
        "there is no version 'ranker@v70'",
        "did you mean 'ranker@v7'?",
    ),
    "an unknown shard": (
        Version(model="ranker", name="v10", shard="loca"),
        "unknown-shard",
        "versions.ranker@v10.shard",
        "there is no shard 'loca'",
        "did you mean 'local'?",
    ),
    "a version of an unknown model": (
        Version(model="rankr", name="v1"),
        "unknown-model",
        "versions.rankr@v1.model",
        "there is no model 'rankr'",
        "did you mean 'ranker'?",
    ),
    "an unknown field": (
        rule(match=when(contry="BR")),
        "unknown-field",
        "rules.new.when.contry",
        "objective 'continue-watching' has no context field 'contry'",
        "did you mean 'country'?",
    ),
    "an unknown field of an override": (
        Override(name="new", objective=NAME, field="usr", value="u", version=version("ranker@v8")),
        "unknown-field",
        "overrides.new.usr",
        "objective 'continue-watching' has no context field 'usr'",
        "did you mean 'user'?",
    ),
    "a second override of one user": (
        Override(name="zz", objective=NAME, field="user", value="qa-1", version=version("ranker@v8")),
        "duplicate-override",
        "overrides.zz",
        "overrides 'tester' and 'zz' are both of user qa-1",
        "remove one of them",
    ),
    "an unknown unit": (
        experiment(unit="usr"),
        "unknown-field",
        "experiments.new.unit",
        "objective 'continue-watching' has no context field 'usr'",
        "did you mean 'user'?",
    ),
    "an unknown layer": (
        experiment(layer="rws"),
        "unknown-layer",
        "experiments.new.layer",
        "there is no layer 'rws'",
        "did you mean 'rows'?",
    ),
    "a value that a field does not take": (
        rule(match=when(device="telly")),
        "wrong-value",
        "rules.new.when.device",
        "telly is not a value of 'device'",
        "it takes tv, phone or web",
    ),
    "a value of the wrong type": (
        rule(match=Match(unless={"hour": ("late",)})),
        "wrong-type",
        "rules.new.unless.hour",
        "late is not of type integer, which 'hour' is",
        "",
    ),
    "a truth value for a number": (
        rule(match=when(hour=True)),
        "wrong-type",
        "rules.new.when.hour",
        "true is not of type integer, which 'hour' is",
        "",
    ),
    "a range of a text": (
        rule(match=Match(between={"country": Range(least=1)})),
        "wrong-type",
        "rules.new.between.country",
        "'country' is of type string, which has no ranges",
        "list its values under `when`",
    ),
    "an empty range": (
        rule(match=Match(between={"hour": Range(least=8, below=8)})),
        "empty-range",
        "rules.new.between.hour",
        "no number is at least 8 and below 8",
        "put the smaller number first",
    ),
    "shares over 100 %": (
        rule(shares=shares("ranker@v7 60, ranker@v8 50"), match=when(country="JP")),
        "shares-over-100",
        "rules.new.shares",
        "the shares are 110 % together",
        "make them 100 % at most",
    ),
    "shares of a rule under 100 %": (
        rule(shares=shares("ranker@v7 60, ranker@v8 30"), match=when(country="JP")),
        "shares-under-100",
        "rules.new.shares",
        "the shares of rule 'new' are 90 % together",
        "they must be 100 % together",
    ),
    "cells over 100 %": (
        experiment(cells=shares("a=ranker@v7 60, b=ranker@v8 50")),
        "shares-over-100",
        "experiments.new.cells",
        "the shares are 110 % together",
        "make them 100 % at most",
    ),
    "a negative share": (
        canary(percent=-1),
        "bad-percent",
        "canaries.new.percent",
        "-1 is not a percentage",
        "write a number from 0 to 100",
    ),
    "a share that is too small": (
        Shadow(name="new", objective=NAME, version=version("ranker@v8"), percent=0.001),
        "bad-percent",
        "shadows.new.percent",
        "0.001 % is too small",
        "the smallest share is 0.01 %",
    ),
    "no shares": (rule(shares=()), "no-shares", "rules.new.shares", "there are no shares", "name at least one version"),
    "a version twice in a rule": (
        rule(shares=shares("ranker@v8 50, ranker@v8 50"), match=when(country="JP")),
        "duplicate-share",
        "rules.new.shares",
        "'ranker@v8' is there twice",
        "put both into one share",
    ),
    "a layer over 100 %": (
        Experiment(name="third", objective="home", cells=shares("x=rows@v2 100"), layer="rows", percent=50),
        "layer-over-100",
        "layers.rows",
        "the experiments of layer 'rows' take 110 % together",
        "make them 100 % at most, or remove one that has ended",
    ),
    "two units in one layer": (
        Experiment(
            name="third", objective="home", cells=shares("x=rows@v2 100"), layer="rows", percent=5, unit="client"
        ),
        "layer-units",
        "experiments.third.unit",
        "in layer 'rows', 'order' goes by user and 'third' by client",
        "the experiments of a layer have one unit: put one of them in another layer",
    ),
    "a salt such as those of rules": (
        experiment(salt="rule/continue-watching"),
        "bad-salt",
        "experiments.new.salt",
        "the salt 'rule/continue-watching' holds a '/'",
        "leave it out, or take another text",
    ),
    "a salt that a layer has": (
        experiment(salt="rows"),
        "salt-in-use",
        "experiments.new.salt",
        "the salt 'rows' is also that of layer 'rows'",
        "give it another: with one salt their cells would go together",
    ),
    "a rule that is never reached": (
        rule(match=Match(when={"country": ("PT",), "hour": (3,)})),
        "unreachable-rule",
        "rules.new",
        "rule 'new' is never reached: rule 'lusophone' before it matches all that it does",
        "move it before position 30, or remove it (country is BR or PT)",
    ),
    "a position that another has": (
        rule(match=when(device="tv"), position=30),
        "duplicate-position",
        "rules.new.position",
        "rules 'lusophone' and 'new' have the same position, 30",
        "give each its own: the first match by position wins",
    ),
    "no default": (
        replace(WATCHING, default=None),
        "missing-default",
        "objectives.continue-watching.version",
        "objective 'continue-watching' has no default",
        "name the version that serves it when no rule matches",
    ),
    "a schema that is none": (
        replace(WATCHING, input={"type": "object", "properties": {"n": {"type": "integr"}}}),
        "invalid-schema",
        "objectives.continue-watching.input.properties.n.type",
        "it is not JSON Schema: 'integr' is not valid under any of the given schemas",
        "see JSON Schema 2020-12",
    ),
    "a schema with a pattern that takes all memory": (
        replace(WATCHING, output={"type": "object", "properties": {"n": {"pattern": "(?:(?:a{9999}){9999}){9999}"}}}),
        "invalid-schema",
        "objectives.continue-watching.output",
        "the pattern '(?:(?:a{9999}){9999}){9999}' has more than 30,000 steps when its repeats are written out",
        "repeat fewer times, or state a maxLength",
    ),
    "a remote shard without endpoints": (
        Shard(name="gpu", protocol=ShardProtocol.OPEN_INFERENCE),
        "no-endpoints",
        "shards.gpu.endpoints",
        "shard 'gpu' speaks oip-v2 and has no endpoints",
        "give the address of at least one replica",
    ),
    "an endpoint that is not an address": (
        Shard(name="gpu", protocol=ShardProtocol.JSON, endpoints=("gpu:8080",)),
        "bad-endpoint",
        "shards.gpu.endpoints",
        "'gpu:8080' is not an address",
        "write it as http://host:port",
    ),
    "two canaries on one base": (
        Canary(
            name="second",
            objective="payment-fraud",
            version=version("fraud@strict"),
            base=version("fraud@v1"),
            unit="account",
        ),
        "overlapping-canaries",
        "canaries.wallets",
        "canaries 'second' and 'wallets' both move the same requests",
        "finish or roll back the one before the other starts, or let it match fewer requests",
    ),
    "a canary from a version to itself": (
        canary(base=version("ranker@v8")),
        "same-version",
        "canaries.new.base_version",
        "ranker@v8 is both its base and its version",
        "name the version that it takes from, or none",
    ),
    "a guard that guards nothing": (
        canary(guards=(Guard(metric="p99_ms"),)),
        "bad-guard",
        "canaries.new.guards[0]",
        "the guard on 'p99_ms' has no limit, ratio, floor or floor ratio",
        "give one of them",
    ),
    "a step without time": (
        canary(steps=(CanaryStep(percent=10, bake_s=-1),)),
        "bad-number",
        "canaries.new.steps[0].bake_s",
        "-1 is not a time",
        "write seconds, 0 or more",
    ),
    "a name that is none": (
        Layer(name="a/b"),
        "bad-name",
        "layers.a/b",
        "'a/b' is not a name",
        "use letters, digits, '-', '_' and '.', at most 64, such as 'tv-brazil'",
    ),
    "a field that is declared twice": (
        replace(WATCHING, context=(*WATCHING.context, Field(name="user"))),
        "duplicate-field",
        "objectives.continue-watching.context.user",
        "the field 'user' is declared twice",
        "remove one",
    ),
    "a field of the reserved name": (
        replace(WATCHING, context=(*WATCHING.context, Field(name="client"))),
        "reserved-field",
        "objectives.continue-watching.context.client",
        "the field 'client' is reserved",
        "every context has it, it is the client that asks: do not declare it",
    ),
    "a field whose values are not of its type": (
        replace(WATCHING, context=(*WATCHING.context, Field(name="size", type=FieldType.NUMBER, values=("big",)))),
        "wrong-type",
        "objectives.continue-watching.context.size.values",
        "big is not of the field's type, number",
        "change the type or the value",
    ),
    "a rate below nothing": (
        Client(name="app", rate=-5),
        "bad-number",
        "clients.app.rate",
        "-5 is too small",
        "at least 0",
    ),
}


@table("fault", FAULTS)
def test_a_fault_is_refused_with_its_issue(fault: str) -> None:
    noun, code, where, message, hint = FAULTS[fault]
    issue = the_one(noun)
    assert (issue.level, issue.rule, issue.where) == (Level.ERROR, code, where)
    assert issue.message == message
    assert issue.hint == hint


def test_a_noun_that_is_kept_under_another_name_is_refused() -> None:
    configuration = replace(example(), layers={"lines": Layer(name="rows"), "rows": Layer(name="rows")})
    (issue,) = check(configuration)
    assert (issue.rule, issue.message) == ("wrong-key", "it is kept under 'lines' and calls itself 'rows'")


@table(
    ("first", "second", "message"),
    [
        (((0, 5000),), ((4000, 9000),), "bucket 4000 is held twice"),
        (((0, 5000),), ((5000, 10_001),), "[5000, 10001) is not a range of buckets"),
        (((7, 7),), ((5000, 10_000),), "[7, 7) is not a range of buckets"),
    ],
)
def test_buckets_that_are_given_must_be_apart(first: Ranges, second: Ranges, message: str) -> None:
    one, two = shares("ranker@v7 50, ranker@v8 50")
    given = rule(shares=(replace(one, buckets=first), replace(two, buckets=second)), match=when(country="JP"))
    configuration = example()
    (issue,) = check(replace(configuration, rules={**configuration.rules, "new": given}))
    assert (issue.level, issue.rule, issue.message) == (Level.ERROR, "bad-buckets", message)


def test_experiments_of_a_layer_may_not_hold_the_same_buckets() -> None:
    configuration = example()
    experiments = {name: replace(one, buckets=((0, 4000),)) for name, one in configuration.experiments.items()}
    (issue,) = check(replace(configuration, experiments=experiments))
    assert (issue.where, issue.rule) == ("layers.rows", "bad-buckets")


def test_every_fault_is_found_not_only_the_first() -> None:
    issues = found(rule(match=when(contry="BR", device="telly"), shares=shares("ranker@v99 50, rankr@v1 20")))
    assert [issue.rule for issue in issues] == [
        "unknown-version",
        "unknown-model",
        "unknown-field",
        "wrong-value",
        "shares-under-100",
    ]


@table(
    ("match", "unreached"),
    [
        (when(country="PT"), True),
        (when(country=("PT", "BR"), device="phone"), True),
        (when(country=("PT", "US")), False),
        (Match(when={"country": ("PT", "US")}, unless={"country": ("US",)}), True),
        (Match(between={"hour": Range(least=1, below=3)}, unless={"device": ("web", "tv")}), True),
        (Match(between={"hour": Range(least=1, below=3)}), False),
        (Match(between={"hour": Range(least=1, below=7)}, unless={"device": ("web",)}), False),
        (Match(when={"hour": (1, 2), "device": ("tv",)}), True),
        (Match(when={"device": ("tv",)}, between={"hour": Range(below=3)}), False),
        (Match(), False),
    ],
)
def test_a_rule_is_unreachable_when_one_before_it_matches_all_that_it_does(match: Match, unreached: bool) -> None:
    issues = found(rule(match=match))
    assert [issue.rule for issue in issues] == (["unreachable-rule"] if unreached else [])


def test_what_a_rule_of_everything_hides_is_unreachable() -> None:
    issues = found(rule(position=35))
    assert [(issue.where, issue.rule) for issue in issues] == [("rules.night", "unreachable-rule")]


def test_values_that_a_field_does_not_take_leave_nothing_to_match() -> None:
    """All devices but two are one device."""
    two = Match(unless={"device": ("tv", "phone")})
    assert not found(experiment("one", match=when(device="tv")), experiment("two", match=two))
    assert found(experiment("one", match=when(device="web")), experiment("two", match=two))


def test_positions_that_no_request_compares_are_only_a_warning() -> None:
    (issue,) = found(rule("a", match=when(country="US")), rule("b", match=when(country="JP")))
    assert (issue.level, issue.rule) == (Level.WARNING, "duplicate-position")


def test_experiments_that_meet_overlap_unless_they_are_in_one_layer() -> None:
    issue = the_one(experiment("one"), experiment("two", match=when(country="BR")))
    assert (issue.level, issue.rule, issue.where) == (Level.ERROR, "overlapping-experiments", "experiments.two")
    assert issue.message == "experiments 'one' and 'two' both give cells to the same requests"
    assert issue.hint == "put both in one layer, or narrow what one of them matches"


@table(
    "changes",
    [{"match": when(country="US")}, {"layer": "rows", "percent": 40}, {"running": False}],
)
def test_experiments_that_cannot_meet_do_not_overlap(changes: dict[str, Any]) -> None:
    one = Experiment(name="a", objective="home", cells=shares("x=rows@v2 100"), layer="rows", percent=40)
    two = Experiment(name="b", objective="home", cells=shares("y=rows@v2 100"), **changes)
    start = replace(example(), experiments={})
    one = replace(one, match=when(country="BR")) if "match" in changes else one
    assert not found(one, two, start=start)


def test_a_canary_that_is_done_or_rolled_back_makes_room_for_the_next() -> None:
    for state in (CanaryState.DONE, CanaryState.ROLLED_BACK):
        assert not found(canary("old", state=state), canary("new", version=version("ranker@v9")))
    assert found(canary("old", state=CanaryState.PAUSED), canary("new", version=version("ranker@v9")))


def schemas(given: dict[str, Any], wanted: dict[str, Any], side: str = "input") -> list[Issue]:
    objective, taker = (given, wanted) if side == "input" else (wanted, given)
    model = Version(model="ranker", name="v7", **{side: taker})
    return found(replace(WATCHING, **{side: objective}), model)


def an_object(required: str, **types: str) -> dict[str, Any]:
    properties = {name: {"type": kind} for name, kind in types.items()}
    return {"type": "object", "required": required.split(), "properties": properties}


@pytest.mark.parametrize("side", ["input", "output"])
def test_what_is_required_and_not_given_is_a_mismatch(side: str) -> None:
    (issue,) = schemas(an_object("titles", titles="array"), an_object("titles user", user="string"), side)
    assert (issue.level, issue.rule) == (Level.ERROR, "schema-mismatch")
    assert issue.where == f"versions.ranker@v7.{side}.user"
    objective, taker = "objective 'continue-watching'", "version ranker@v7"
    giver, taker = (objective, taker) if side == "input" else (taker, objective)
    assert issue.message == f"{taker} requires 'user', which {giver} does not give"


def test_what_is_given_only_sometimes_is_a_warning() -> None:
    (issue,) = schemas(an_object("", user="string"), an_object("user", user="string"))
    assert (issue.level, issue.rule) == (Level.WARNING, "schema-mismatch")


def test_a_type_that_is_not_taken_is_a_mismatch_however_deep() -> None:
    def inside(kind: str) -> dict[str, Any]:
        return {"type": "object", "properties": {"rows": {"type": "array", "items": an_object("", id=kind)}}}

    (issue,) = schemas(inside("string"), inside("integer"))
    assert issue.where == "versions.ranker@v7.input.rows[].id"
    assert issue.message == "version ranker@v7 takes integer where objective 'continue-watching' gives string"
    assert not schemas(inside("integer"), inside("number"))


@table(
    ("given", "wanted"),
    [
        ({}, an_object("user")),
        ({"type": "object"}, an_object("user")),
        ({"type": "object", "properties": {"a": {}}, "allOf": [{"required": ["user"]}]}, an_object("user")),
        (an_object("user", user="string"), {}),
        (an_object("user", user="string"), an_object("user", user="string")),
        ({"type": ["object", "null"], "required": ["user"]}, an_object("user", user="string")),
    ],
)
def test_what_is_not_understood_or_fits_is_let_through(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert not schemas(given, wanted)


@table(
    ("context", "code", "message"),
    [
        ({"contry": "BR"}, "unknown-field", "has no context field 'contry'"),
        ({"client": "app"}, "unknown-field", "has no context field 'client'"),
        ({"device": "telly"}, "wrong-value", "telly is not a value of 'device'"),
        ({"hour": "late"}, "wrong-type", "late is not of type integer"),
        ({"hour": True}, "wrong-type", "true is not of type integer"),
        ({"hour": 1.5}, "wrong-type", "1.5 is not of type integer"),
        ({"kids": 1}, "wrong-type", "1 is not of type boolean"),
        ({"user": None}, "wrong-type", "null is not of type string"),
        ({"user": ["u"]}, "wrong-type", '["u"] is not of type string'),
    ],
)
def test_a_context_holds_only_what_its_objective_declares(context: dict[str, Any], code: str, message: str) -> None:
    (issue,) = check_context(WATCHING, context)
    assert (issue.rule, issue.where) == (code, f"context.{next(iter(context))}")
    assert message in issue.message


def test_a_context_that_fits_has_no_fault() -> None:
    fits = {"user": "u", "country": "BR", "device": "tv", "hour": 3.0, "kids": False}
    assert not check_context(WATCHING, fits)


def test_ten_thousand_rules_are_checked_without_comparing_each_with_each() -> None:
    rules = {
        f"r{number}": Rule(
            name=f"r{number}",
            objective="o",
            match=when(country=f"c{number % 100}", user=f"u{number // 100}"),
            shares=(Share(version=VersionRef(model="ranker", version="v7"), percent=100),),
            position=number,
        )
        for number in range(10_000)
    }
    rules["late"] = replace(rules["r17"], name="late", position=10_001)
    objective = Objective(name="o", default=version("ranker@v7"), context=(Field(name="country"), Field(name="user")))
    start = together(objective, start=example())
    (issue,) = check(replace(start, rules=rules))
    assert (issue.where, issue.rule) == ("rules.late", "unreachable-rule")


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("output.scroe", "the output of objective 'continue-watching' has no 'scroe'"),
        ("output.titles", "'titles' of the output of objective 'continue-watching' is not a number"),
    ],
)
def test_a_guard_on_what_no_output_has_is_refused(metric: str, message: str) -> None:
    output = {"properties": {"score": {"type": "number"}, "titles": {"type": "array"}, "other": {}}}
    objective = replace(WATCHING, output=output)
    issue = the_one(objective, canary(guards=(Guard(metric=metric, floor=0.1),)))
    assert (issue.rule, issue.where, issue.message) == ("unmeasured-guard", "canaries.new.guards[0].metric", message)
    for known in ("output.score", "output.other", "error_rate"):
        assert not found(objective, canary(guards=(Guard(metric=known, floor=0.1),)))
