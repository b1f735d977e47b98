"""A cost policy keeps its floor at the lowest price, says what it rests on, and is left when it does not hold."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import pytest

from nlapi.errors import UsageError
from nlapi.routing.costs import (
    ORACLE,
    POLICY,
    RANDOM,
    CostTerms,
    RatedAnswer,
    cost_rules,
    floor_violation,
    learn,
    simulate_costs,
)
from nlapi.routing.model import Configuration, Field, Objective, VersionRef
from nlapi.routing.table import compile_table

SMALL, LARGE = VersionRef(model="small", version="v1"), VersionRef(model="large", version="v1")
PRICES = {SMALL: 0.001, LARGE: 0.02}
# The small model is as good at chat, nearly so at law, and bad at maths.
CHANCES: Mapping[str, Mapping[VersionRef, float]] = {
    "chat": {SMALL: 0.9, LARGE: 0.9},
    "law": {SMALL: 0.75, LARGE: 0.85},
    "maths": {SMALL: 0.3, LARGE: 0.9},
}

SURE = {SMALL: 1.0, LARGE: 1.0}


def answers(
    seed: int, chances: Mapping[str, Mapping[VersionRef, float]] = CHANCES, count: int = 900
) -> Iterator[RatedAnswer]:
    """The answers of both models to questions of each category."""
    chance = random.Random(seed)
    for category, qualities in chances.items():
        for number in range(count // len(chances)):
            for version, quality in qualities.items():
                right = float(chance.random() < quality)
                question = f"{category}{number}"
                yield RatedAnswer(
                    bucket=(category,), version=version, quality=right, dollars=PRICES[version], question=question
                )


def test_a_policy_keeps_its_floor_on_questions_that_it_has_not_seen() -> None:
    policy = learn(list(answers(1)), CostTerms(explore_percent=0))
    simulation = simulate_costs(policy, list(answers(2)))
    assert policy.fixed is None
    assert simulation.kept_quality(POLICY) >= 0.94
    assert simulation.saved(POLICY) > simulation.saved(RANDOM) + 0.2
    assert simulation.saved(ORACLE) > simulation.saved(POLICY)
    assert "always best: large@v1" in str(simulation)
    assert policy.shares["chat",][SMALL] > 0.9
    assert policy.shares["maths",][LARGE] > 0.9


def test_what_was_not_learned_goes_to_the_best_version() -> None:
    rare = [
        RatedAnswer(bucket=("art",), version=SMALL, quality=1.0, dollars=0.001, question=f"a{n}") for n in range(99)
    ]
    policy = learn([*answers(1), *rare], CostTerms())
    assert [policy.shares.get((one,), {policy.best: 1.0}) for one in ("art", "poems")] == [{LARGE: 1.0}] * 2
    assert "category is poems was not learned: large@v1" in policy.explain(["category"], ("poems",))


@pytest.mark.parametrize(
    ("small", "reason"),
    [
        (0.95, "small@v1 is the best"),
        (0.89, "small@v1 is above the floor alone"),
        (0.0, "large@v1 is the best and no dearer"),
    ],
)
def test_where_one_version_wins_everything_goes_there(small: float, reason: str) -> None:
    chances = {name: {SMALL: small, LARGE: 0.9} for name in CHANCES}
    policy = learn(list(answers(1, chances)), CostTerms(floor=0.95 if small else 1.0, explore_percent=0))
    assert policy.reason.startswith(reason)
    assert {version for shares in policy.shares.values() for version in shares} == {policy.fixed}


def test_the_rules_of_a_policy_decide_and_explain_like_it() -> None:
    policy = learn(list(answers(1)), CostTerms(explore_percent=4))
    rules = cost_rules(policy, name="ask-cost", objective="ask", fields=["category"], unit="user", position=5, since="")
    objective = Objective(name="ask", default=LARGE, context=(Field(name="category"), Field(name="user")))
    table = compile_table(Configuration(objectives={"ask": objective}, rules={rule.name: rule for rule in rules}), 1)
    for bucket, shares in policy.shares.items():
        contexts = [{"category": bucket[0], "user": f"u{number}"} for number in range(2000)]
        found = [table.decide("ask", context).version for context in contexts]
        for version, part in shares.items():
            assert found.count(version) / len(found) == pytest.approx(part, abs=0.03)
    text = str(table.explain("ask", {"category": "maths", "user": "u1"}))
    assert "category is maths: expected quality: large@v1 0.9" in text
    assert "small@v1 0.3" in text
    assert "nothing was learned" in str(table.explain("ask", {"category": "poems"}))
    assert table.decide("ask", {"category": "poems", "user": "u1"}).version == LARGE


@pytest.mark.parametrize(
    ("chances", "reason"),
    [
        (CHANCES, ""),
        ({name: {SMALL: 0.2, LARGE: 0.2} for name in CHANCES}, "under the floor of"),
        (
            {"chat": {SMALL: 0.75, LARGE: 0.9}, "law": SURE, "maths": SURE},
            "chat by small@v1: the mean quality is 0.7",
        ),
    ],
)
def test_a_policy_is_left_when_its_floor_breaks_or_a_version_drifts(
    chances: Mapping[str, Mapping[VersionRef, float]], reason: str
) -> None:
    policy = learn(list(answers(1)), CostTerms())
    rules = cost_rules(policy, name="c", objective="ask", fields=["category"], unit="user", position=0, since="")
    served = [
        one
        for one in answers(3, chances)
        if policy.shares.get(one.bucket, {policy.best: 1.0}).get(one.version, 0.0) > 0.5
    ]
    assert floor_violation(rules, served[:40]) == ""
    found = floor_violation(rules, served)
    assert (reason in found) if reason else not found


def test_too_few_outcomes_are_said() -> None:
    with pytest.raises(UsageError, match="fewer than two"):
        learn([], CostTerms())
    with pytest.raises(UsageError, match="too few outcomes"):
        learn(list(answers(1, count=30)), CostTerms())
