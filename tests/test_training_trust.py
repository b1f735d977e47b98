"""The level of confidence from which plans are right in 9 of 10, on answers whose level is known."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.tables import table
from training.trust import LEAST_PLANS, RIGHT, RatedPlan, fitted_curve, lower_bound, read_answers, report, trust_level


def plans(*groups: tuple[float, int, int]) -> list[RatedPlan]:
    """For each confidence so many plans that are right and so many that are wrong."""
    outcomes = [(confidence, index < right) for confidence, right, wrong in groups for index in range(right + wrong)]
    return [RatedPlan(dataset="real", confidence=level, is_change=False, is_right=right) for level, right in outcomes]


def test_the_level_is_the_least_confidence_that_is_right_in_9_of_10() -> None:
    assert trust_level(plans((0.5, 80, 20), (0.7, 89, 11), (0.8, 91, 9), (0.9, 99, 1))) == 0.8


def test_where_nothing_is_right_in_9_of_10_there_is_no_level() -> None:
    assert trust_level(plans((0.5, 50, 50), (0.99, 80, 20))) is None
    assert "  never right in 9 of 10" in report(plans((0.99, 80, 20)), is_strict=False)


def test_a_few_lucky_plans_make_no_level() -> None:
    assert trust_level(plans((0.5, 50, 50), (0.99, LEAST_PLANS - 1, 0))) is None


def test_plans_that_are_worse_than_less_sure_ones_are_pooled_with_them() -> None:
    assert trust_level(plans((0.6, 95, 5), (0.7, 50, 50), (0.9, 190, 10))) == 0.9


def test_a_strict_level_has_no_chance_in_it() -> None:
    few, many = plans((0.8, 37, 3)), plans((0.8, 925, 75))
    assert trust_level(few) == trust_level(many) == 0.8
    assert (trust_level(few, is_strict=True), trust_level(many, is_strict=True)) == (None, 0.8)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=80))
def test_the_curve_never_falls_and_has_all_plans(outcomes: list[tuple[int, bool]]) -> None:
    rated = [
        RatedPlan(dataset="d", confidence=level / 20, is_change=False, is_right=right) for level, right in outcomes
    ]
    curve = fitted_curve(sorted(rated, key=lambda plan: plan.confidence))
    assert curve[0][0] == min(plan.confidence for plan in rated)
    assert [share for _, share in curve] == sorted(share for _, share in curve)
    level = trust_level(rated)
    kept = [plan for plan in rated if level is not None and plan.confidence >= level]
    assert level is None or sum(plan.is_right for plan in kept) >= RIGHT * len(kept)


@table(("right", "count", "least"), [(0, 0, 0.0), (90, 100, 0.826), (900, 1_000, 0.880)])
def test_the_interval_is_wilsons(right: int, count: int, least: float) -> None:
    assert round(lower_bound(right, count), 3) == least


def test_plans_without_a_call_or_a_value_do_not_count(tmp_path: Path) -> None:
    row = {"id": "real/1", "operation": "a", "confidence": 0.9, "is_complete": True, "is_change": True, "exact": True}
    rows = [row, {**row, "operation": ""}, {**row, "is_complete": False}]
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert read_answers(file) == [RatedPlan(dataset="real", confidence=0.9, is_change=True, is_right=True)]
