"""Recorded requests through a proposed revision, before it is published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nlapi.routing.change import remove_entity, upsert_entity
from nlapi.routing.model import Canary, Objective
from nlapi.routing.simulate import simulate
from nlapi.routing.table import compile_table
from tests.routing.kit import example, shares, version, when

SEEN: list[tuple[str, dict[str, Any], str]] = [
    (
        "continue-watching",
        {"user": f"u{number}", "country": ("BR", "US")[number % 2], "device": ("tv", "phone", "web")[number % 3]},
        ("web", "app")[number % 5 == 0],
    )
    for number in range(3000)
]


def test_nothing_moves_when_nothing_changes() -> None:
    found = simulate(compile_table(example(), 1), compile_table(example(), 2), SEEN)
    assert (found.requests, found.moved, found.objectives[0].movements) == (3000, 0, ())
    assert str(found) == "0 of 3,000 (0.0 %) requests move"


def test_a_rule_moves_exactly_what_it_matches() -> None:
    after = upsert_entity(example(), replace(example().rules["lusophone"], shares=shares("ranker@v9 100")))
    found = simulate(compile_table(example(), 1), compile_table(after, 2), SEEN)
    (moves,) = found.objectives
    (movement,) = moves.movements
    assert (str(movement.source), str(movement.target), movement.count) == ("ranker@v8", "ranker@v9", 1000)
    assert {(one.field, one.value): (one.moved, one.requests) for one in moves.slices} == {
        ("country", "BR"): (1000, 1500),
        ("client", "web"): (800, 2400),
        ("device", "phone"): (500, 1000),
        ("device", "web"): (500, 1000),
        ("client", "app"): (200, 600),
    }
    assert str(found).splitlines()[:4] == [
        "1,000 of 3,000 (33.3 %) requests move",
        "continue-watching: 1,000 of 3,000 (33.3 %) requests move",
        "  ranker@v8 -> ranker@v9: 33.3 %",
        "  country=BR: 66.7 % of 1,500 move",
    ]


def test_a_canary_moves_about_its_share_of_what_it_matches() -> None:
    canary = Canary(
        name="v9", objective="continue-watching", version=version("ranker@v9"), percent=10, match=when(country="US")
    )
    found = simulate(compile_table(example(), 1), compile_table(upsert_entity(example(), canary), 2), SEEN)
    (by_country,) = (one for one in found.objectives[0].slices if one.field == "country")
    assert by_country.value == "US"
    assert 7.5 < by_country.percent < 12.5
    assert found.moved == by_country.moved


def test_samples_show_both_decisions() -> None:
    after = upsert_entity(example(), replace(example().rules["lusophone"], shares=shares("ranker@v9 100")))
    samples = simulate(compile_table(example(), 1), compile_table(after, 2), SEEN).objectives[0].samples
    assert len(samples) == 5
    for sample in samples:
        assert (str(sample.before.version), str(sample.after.version)) == ("ranker@v8", "ranker@v9")
        assert (sample.context["country"], sample.before.revision, sample.after.revision) == ("BR", 1, 2)


def test_objectives_that_come_and_go_are_counted() -> None:
    without = remove_entity(example(), "objectives", "home")
    with_new = upsert_entity(without, Objective(name="new", default=version("rows@v1")))
    seen: list[Any] = [("home", {}, ""), ("home", {}, ""), ("new", {}, ""), ("never", {}, ""), *SEEN[:7]]
    found = simulate(compile_table(example(), 1), compile_table(with_new, 2), seen)
    assert (found.requests, found.lost, found.gained, found.moved) == (10, 2, 1, 0)
    assert "2 ask for an objective that is removed" in str(found)
    assert "1 ask for an objective that is new" in str(found)


def test_fields_that_tell_users_apart_make_no_slices() -> None:
    after = upsert_entity(example(), replace(example().rules["lusophone"], shares=shares("ranker@v9 100")))
    moves = simulate(compile_table(example(), 1), compile_table(after, 2), SEEN[:60]).objectives[0]
    assert moves.moved
    assert "user" not in {one.field for one in moves.slices}
