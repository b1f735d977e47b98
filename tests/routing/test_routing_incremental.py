"""A configuration that was compiled and checked change by change is as if it were compiled and checked from scratch."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings

from nlapi.routing.change import ConfigurationChanges, diff, remove_entity, share_equal, upsert_entity
from nlapi.routing.check import SECTIONS, CheckedConfiguration, check
from nlapi.routing.model import (
    Canary,
    Configuration,
    Field,
    Guard,
    Layer,
    Match,
    Model,
    Rule,
    Shadow,
    Shard,
    Version,
)
from nlapi.routing.table import Table, compile_table
from tests.routing.kit import (
    REFS,
    SMALL,
    a_canary,
    a_configuration,
    a_context,
    a_match,
    a_rule,
    a_split,
    an_experiment,
    an_override,
    seeds,
    shares,
    together,
    versions,
    when,
)
from tests.strategies import examples
from tests.tables import table

STEPS = 12
fixed = settings(max_examples=examples(150), deadline=None, derandomize=True)
SCHEMAS: tuple[dict[str, Any], ...] = (
    {},
    {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]},
    {"type": "object", "properties": {"score": {"type": "string"}}},
    {"type": "nothing"},
)


def an_entity(random: Random) -> Any:
    """A new entity, or one that takes the place of another; often with faults."""
    number = random.randrange(5)
    make = random.choice((a_rule, a_rule, a_rule, an_experiment, a_canary, an_override))
    letter = {a_rule: "r", an_experiment: "e", a_canary: "c", an_override: "o"}[make]
    entity: Any = make(random, f"{letter}{number}")
    objective = random.choice(("small", "small", "other"))
    schema = random.choice(SCHEMAS)
    others = (
        replace(
            SMALL, name=objective, default=random.choice((None, *REFS)), output=schema, input=random.choice(SCHEMAS)
        ),
        replace(SMALL, name=objective, context=SMALL.context[: random.randrange(6)], idempotent=False),
        replace(SMALL, name=objective, context=(*SMALL.context[:-1], Field(name="kids"))),
        Version(model="m", name=f"v{number}", output=schema, shard=random.choice(("local", "far"))),
        Model(name=random.choice(("m", "n"))),
        Shard(name=random.choice(("local", "far", "bad name!"))),
        Layer(name=random.choice(("layer", "e1"))),
        Shadow(name=f"s{number}", objective=objective, match=a_match(random), version=random.choice(REFS)),
        Canary(name="guarded", objective=objective, version=REFS[1], guards=(Guard(metric="output.score", limit=1),)),
    )
    return random.choice((replace(entity, objective=objective), replace(entity, objective=objective), *others))


def an_edit(random: Random, configuration: Configuration) -> Configuration:
    """One random change: an entity put, one removed, or new shares of a rule."""
    kind = random.choice(("rules", "experiments", "canaries", "versions", "objectives", "overrides", "layers"))
    keys = list(getattr(configuration, kind))
    if keys and random.random() < 0.35:
        return remove_entity(configuration, kind, random.choice(keys))
    if configuration.rules and random.random() < 0.2:
        rule = random.choice(list(configuration.rules.values()))
        return upsert_entity(
            configuration, replace(rule, shares=a_split(random, whole=True), match=replace(rule.match))
        )
    return upsert_entity(configuration, an_entity(random))


def configurations(random: Random, steps: int = STEPS) -> list[Configuration]:
    """Revisions, some of which take several edits, restore an earlier one, or are read anew from nothing."""
    result = [a_configuration(random)]
    for _ in range(steps):
        configuration = random.choice(result) if random.random() < 0.2 else result[-1]
        for _ in range(random.choice((1, 1, 1, 3, 12))):
            configuration = an_edit(random, configuration)
        result.append(configuration)
    return result


@fixed
@given(seeds)
def test_the_checks_of_changes_have_the_issues_of_a_whole_check(random: Random) -> None:
    checked = CheckedConfiguration.check(SECTIONS, Configuration())
    for configuration in configurations(random):
        checked = checked.update(ConfigurationChanges(checked.configuration, configuration))
        assert checked.issues() == check(configuration)


@fixed
@given(seeds)
def test_a_table_made_from_the_one_before_decides_as_one_from_scratch(random: Random) -> None:
    table: Table | None = None
    contexts = [a_context(random) for _ in range(12)]
    for number, configuration in enumerate(configurations(random), start=1):
        table = compile_table(configuration, number, table)
        if random.choice((True, False)):
            table.compile_all()
        whole = compile_table(configuration, number)
        for name in configuration.objectives:
            if configuration.objectives[name].default is None:
                continue
            for context in contexts:
                client = random.choice(("", "app", "lab"))
                assert table.decide(name, context, client) == whole.decide(name, context, client)
                assert table.explain(name, context, client) == whole.explain(name, context, client)


@fixed
@given(seeds)
def test_equal_entities_become_the_same_objects(random: Random) -> None:
    before, after = configurations(random, 2)[-2:]
    copied = Configuration(
        rules={name: replace(rule) for name, rule in after.rules.items()},
        objectives={name: replace(objective) for name, objective in after.objectives.items()},
        versions=dict(after.versions),
    )
    shared = share_equal(ConfigurationChanges(before, copied))
    assert shared == copied
    assert list(shared.rules) == list(copied.rules)
    changes = ConfigurationChanges(before, shared)
    assert {str(key) for key in changes.keys("rules")} == {
        difference.name for difference in diff(before, shared) if difference.kind == "rules"
    }


def many_rules(count: int) -> Configuration:
    """Rules of one objective, each for a country of its own."""
    rules = [
        Rule(name=f"r{number}", objective="small", match=when(country=f"c{number}"), shares=shares("m@v1 100"),
             position=number)
        for number in range(count)
    ]  # fmt: skip
    return together(Shard(name="local"), *versions("m@v0", "m@v1"), SMALL, *rules)


@table("seed", range(4))
def test_rules_put_between_others_again_and_again_decide_in_their_order(seed: int) -> None:
    random, configuration = Random(seed), many_rules(40)
    table = compile_table(configuration, 1)
    table.compile_all()
    for number in range(2, 90):
        # Most are put at one place, where there is soon no room; some go.
        position = random.choice((17, 18, 18, 18, 0, 39, 100))
        rule = replace(a_rule(random, f"new{number}"), position=position)
        configuration = upsert_entity(configuration, rule)
        if random.random() < 0.3:
            configuration = remove_entity(configuration, "rules", random.choice(list(configuration.rules)))
        table = compile_table(configuration, number, table)
        whole = compile_table(configuration, number)
        for context in [a_context(random) for _ in range(5)] + [{"country": f"c{random.randrange(40)}"}]:
            assert table.decide("small", context, "app") == whole.decide("small", context, "app")


def test_a_rule_before_others_covers_them_and_covers_them_no_more() -> None:
    before = many_rules(30)
    wide = Rule(
        name="wide", objective="small", match=when(country=("c7", "c9", "c20")), shares=shares("m@v0 100"), position=8
    )
    checked = CheckedConfiguration.check(SECTIONS, before)
    for rule in (wide, replace(wide, position=3), replace(wide, match=Match()), replace(wide, position=40)):
        after = upsert_entity(checked.configuration, rule)
        checked = checked.update(ConfigurationChanges(checked.configuration, after))
        assert checked.issues() == check(after)
    assert checked.has_errors is False
    after = remove_entity(checked.configuration, "rules", "wide")
    assert checked.update(ConfigurationChanges(checked.configuration, after)).issues() == []
