"""Splits: sticky, independent of each other, and a ramp that moves nobody out of the cell they are in."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from nlapi.routing.change import upsert_entity
from nlapi.routing.model import (
    BUCKETS,
    Canary,
    Configuration,
    Experiment,
    Field,
    Layer,
    Objective,
    Rule,
    Shard,
    Share,
)
from nlapi.routing.split import Ranges, allocate, bucket, bucket_count, holding_share, is_sampled, range_width
from nlapi.routing.table import Table, compile_table
from tests.routing.kit import shares, together, version, versions
from tests.strategies import examples
from tests.tables import table

USERS = [f"user-{number}" for number in range(100_000)]
OBJECTIVE = Objective(name="o", default=version("m@v0"), context=(Field(name="user"), Field(name="country")))
OTHER = replace(OBJECTIVE, name="other")
fixed = settings(max_examples=examples(200), deadline=None, derandomize=True)


def start(*nouns: Any) -> Configuration:
    return together(Shard(name="local"), *versions("m@v0", "m@v1", "m@v2"), OBJECTIVE, OTHER, *nouns)


def cells(table: Table, objective: str = "o", users: list[str] = USERS) -> list[str]:
    return [table.decide(objective, {"user": user}).cell for user in users]


def within_three_sigma(count: int, of: int, share: float) -> bool:
    return abs(count - of * share) <= 3 * math.sqrt(of * share * (1 - share))


@table("unit", ["u1", "", "ümläut", "7"])
def test_a_bucket_is_xxh3_of_salt_and_unit(unit: str) -> None:
    assert bucket("salt", unit) == xxh3_64_intdigest(f"salt\x1f{unit}".encode()) % 10_000


def test_a_number_is_the_unit_that_json_writes() -> None:
    assert bucket("s", 7) == bucket("s", 7.0) == bucket("s", "7")
    assert bucket("s", True) == bucket("s", "true")
    assert bucket("s", 0.5) == bucket("s", "0.5")


def test_shares_over_100000_users_are_within_three_sigma() -> None:
    experiment = Experiment(name="e", objective="o", cells=shares("a=m@v0 10, b=m@v1 25, c=m@v2 5"))
    counts = Counter(cells(compile_table(start(experiment), 1)))
    for name, share in (("a", 0.1), ("b", 0.25), ("c", 0.05), ("", 0.6)):
        assert within_three_sigma(counts[name], len(USERS), share), (name, counts)


def test_two_experiments_are_independent_over_100000_users() -> None:
    first = Experiment(name="first", objective="o", cells=shares("a=m@v0 20, b=m@v1 10"))
    second = Experiment(name="second", objective="other", cells=shares("a=m@v0 30, b=m@v1 10"))
    table = compile_table(start(first, second), 1)
    both = Counter(zip(cells(table), cells(table, "other"), strict=True))
    for one, other in (("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")):
        in_one = sum(count for (cell, _), count in both.items() if cell == one)
        share = sum(count for (_, cell), count in both.items() if cell == other) / len(USERS)
        assert within_three_sigma(both[one, other], in_one, share), (one, other, both)


def test_a_ramp_from_10_to_30_percent_moves_no_user_out() -> None:
    experiment = Experiment(name="e", objective="o", cells=shares("control=m@v0 10, treatment=m@v1 10"))
    before = start(experiment)
    after = upsert_entity(before, replace(experiment, cells=shares("control=m@v0 30, treatment=m@v1 30")))
    moved = Counter(zip(cells(compile_table(before, 1)), cells(compile_table(after, 2)), strict=True))
    assert not moved["control", "treatment"] + moved["control", ""]
    assert not moved["treatment", "control"] + moved["treatment", ""]
    assert within_three_sigma(moved["", "treatment"] + moved["treatment", "treatment"], len(USERS), 0.3)


def test_a_ramp_of_a_rule_moves_only_as_many_as_it_says() -> None:
    rule = Rule(name="r", objective="o", shares=shares("m@v0 90, m@v1 10"))
    before = start(rule)
    after = upsert_entity(before, replace(rule, shares=shares("m@v0 70, m@v1 30")))
    old, new = (
        [str(table.decide("o", {"user": user}).version) for user in USERS[:20_000]]
        for table in (compile_table(before, 1), compile_table(after, 2))
    )
    moved = Counter(zip(old, new, strict=True))
    assert moved["m@v1", "m@v0"] == 0
    assert within_three_sigma(moved["m@v0", "m@v1"], 20_000, 0.2)


def test_a_canary_that_is_ramped_keeps_those_it_has() -> None:
    canary = Canary(name="c", objective="o", version=version("m@v1"), percent=10)
    taken = []
    for percent in (10.0, 30.0, 100.0):
        table = compile_table(start(replace(canary, percent=percent)), 1)
        taken.append({user for user in USERS[:20_000] if table.decide("o", {"user": user}).canary})
        assert within_three_sigma(len(taken[-1]), 20_000, percent / 100) or percent == 100
    assert taken[0] < taken[1] < taken[2] == set(USERS[:20_000])


def test_experiments_of_a_layer_never_share_a_unit_and_keep_their_parts() -> None:
    first = Experiment(name="first", objective="o", layer="l", percent=40, cells=shares("a=m@v0 50, b=m@v1 50"))
    second = Experiment(name="second", objective="other", layer="l", percent=30, cells=shares("a=m@v0 100"))
    before = start(Layer(name="l"), first, second)
    after = upsert_entity(before, replace(first, percent=60))
    tables = compile_table(before, 1), compile_table(after, 2)
    for compiled in tables:
        assert not any(one and other for one, other in zip(cells(compiled), cells(compiled, "other"), strict=True))
    old, new = cells(tables[0]), cells(tables[1])
    assert within_three_sigma(sum(map(bool, old)), len(USERS), 0.4)
    assert within_three_sigma(sum(map(bool, new)), len(USERS), 0.6)
    assert all(one == other for one, other in zip(old, new, strict=True) if one)
    assert cells(tables[0], "other") == cells(tables[1], "other")


def test_experiments_of_different_layers_are_independent() -> None:
    first = Experiment(name="first", objective="o", layer="l", percent=40, cells=shares("a=m@v0 100"))
    second = Experiment(name="second", objective="other", layer="k", percent=30, cells=shares("a=m@v0 100"))
    table = compile_table(start(Layer(name="l"), Layer(name="k"), first, second), 1)
    one, other = cells(table), cells(table, "other")
    both = sum(1 for pair in zip(one, other, strict=True) if all(pair))
    assert within_three_sigma(both, sum(map(bool, one)), sum(map(bool, other)) / len(USERS))


def test_a_cell_is_independent_of_the_layers_own_split() -> None:
    experiment = Experiment(name="e", objective="o", layer="l", percent=20, cells=shares("a=m@v0 50, b=m@v1 50"))
    counts = Counter(cells(compile_table(start(Layer(name="l"), experiment), 1)))
    assert within_three_sigma(counts["a"], counts["a"] + counts["b"], 0.5)


def test_a_rule_that_is_renamed_keeps_everybody() -> None:
    rule = Rule(name="old", objective="o", shares=shares("m@v0 50, m@v1 50"))
    tables = compile_table(start(rule), 1), compile_table(start(replace(rule, name="new")), 2)
    for user in USERS[:500]:
        assert len({table.decide("o", {"user": user}).version for table in tables}) == 1


def test_a_sample_that_grows_keeps_what_it_had() -> None:
    small, large = ({user for user in USERS[:5000] if is_sampled("shadow", user, percent)} for percent in (5, 50))
    assert small < large
    assert not any(is_sampled("shadow", user, 0) for user in USERS[:100])
    assert all(is_sampled("shadow", user, 100) for user in USERS[:100])


percents = st.integers(0, 100).flatmap(
    lambda first: st.integers(0, 100 - first).map(lambda second: (first, second, 100 - first - second))
)


def split(percents: Any) -> tuple[Share, ...]:
    return tuple(
        Share(name=name, version=version(f"m@{name}"), percent=percent)
        for name, percent in zip("abc", percents, strict=True)
    )


def holders(those: tuple[Share, ...]) -> list[int]:
    return [holding_share(those, number) for number in range(0, BUCKETS, 7)]


def disjoint(ranges: Ranges) -> bool:
    return all(one[1] <= other[0] for one, other in pairwise(sorted(ranges)))


@fixed
@given(st.lists(percents, min_size=2, max_size=6))
def test_whatever_the_ramp_a_share_that_grows_keeps_all_and_one_that_shrinks_only_releases(steps: Any) -> None:
    before = allocate((), split(steps[0]))
    for step in steps[1:]:
        after = allocate(before, split(step))
        assert [range_width(share.buckets) for share in after] == [bucket_count(share.percent) for share in after]
        assert disjoint(tuple(one for share in after for one in share.buckets))
        for old, new, one, other in zip(before, after, "abc", "abc", strict=True):
            assert one == other
            held, kept = covered(old.buckets), covered(new.buckets)
            assert held <= kept if new.percent >= old.percent else kept <= held
        before = after


def covered(ranges: Ranges) -> set[int]:
    return {number for start, end in ranges for number in range(start, end)}


@fixed
@given(percents, percents)
def test_allocating_twice_changes_nothing(first: Any, second: Any) -> None:
    once = allocate(allocate((), split(first)), split(second))
    assert allocate(once, once) == once
    assert allocate(once, tuple(replace(share, buckets=()) for share in once)) == once


def test_percentages_over_100_get_no_more_than_there_is() -> None:
    made = allocate((), split((80, 80, 0)))
    assert [range_width(share.buckets) for share in made] == [8000, 2000, 0]


def test_three_thirds_are_a_whole() -> None:
    third = 100 / 3
    rule = Rule(name="r", objective="o", shares=tuple(replace(one, percent=third) for one in split((1, 1, 1))))
    table = compile_table(start(rule), 1)
    counts = Counter(str(table.decide("o", {"user": user}).version) for user in USERS[:30_000])
    assert all(within_three_sigma(count, 30_000, 1 / 3) for count in counts.values())
    assert counts.total() == 30_000
