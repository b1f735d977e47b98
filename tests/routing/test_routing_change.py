"""Putting nouns in and out leaves the old configuration as it was, and differences read as sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nlapi.errors import UsageError
from nlapi.routing.change import ENTITY_KINDS, diff, remove_entity, upsert_entity
from nlapi.routing.model import Client, Configuration, Layer
from nlapi.routing.split import range_width
from tests.routing.kit import example, shares, version, when
from tests.tables import table


def test_put_and_remove_give_a_new_configuration() -> None:
    before = example()
    after = upsert_entity(before, Layer(name="new"))
    assert set(after.layers) - set(before.layers) == {"new"}
    assert remove_entity(after, "layers", "new") == before
    assert before == example()


def test_every_kind_of_noun_can_be_put_and_removed() -> None:
    full = upsert_entity(example(), Client(name="app"))
    for kind in ENTITY_KINDS.values():
        for name, noun in getattr(full, kind).items():
            without = remove_entity(full, kind, name)
            assert name not in getattr(without, kind)
            assert getattr(upsert_entity(without, noun), kind)[name].name == noun.name


@table(
    ("kind", "name", "message"),
    [
        ("rules", "tv-brasil", "there is no 'tv-brasil' in rules (did you mean 'tv-brazil'?)"),
        ("versions", version("ranker@v77"), "there is no 'ranker@v77' in versions (did you mean 'ranker@v7'?)"),
        ("rule", "x", "a configuration has no 'rule' (did you mean 'rules'?)"),
        ("clients", "app", "there is no 'app' in clients (there are: none)"),
    ],
)
def test_removing_what_is_not_there_names_the_nearest(kind: str, name: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        remove_entity(example(), kind, name)
    assert str(raised.value) == message


def test_changed_shares_keep_the_buckets_that_they_can() -> None:
    before = example()
    rule = before.rules["tv-brazil"]
    after = upsert_entity(before, replace(rule, shares=shares("ranker@v7 70, ranker@v8 20, ranker@v9 10"))).rules[
        "tv-brazil"
    ]
    assert [share.buckets for share in rule.shares] == [((0, 9000),), ((9000, 10000),)]
    assert [share.buckets for share in after.shares] == [((0, 7000),), ((7000, 8000), (9000, 10000)), ((8000, 9000),)]


def test_an_experiment_that_changes_its_layer_gets_buckets_there() -> None:
    before = upsert_entity(example(), Layer(name="other"))
    moved = upsert_entity(before, replace(before.experiments["size"], layer="other")).experiments
    assert moved["size"].buckets == ((0, 2000),)
    assert moved["order"] == before.experiments["order"]
    alone = upsert_entity(before, replace(before.experiments["size"], layer="")).experiments["size"]
    assert range_width(alone.buckets) == 0


def test_a_configuration_that_is_read_again_keeps_its_buckets() -> None:
    before = example()
    moved = upsert_entity(before, replace(before.rules["tv-brazil"], shares=shares("ranker@v7 70, ranker@v8 30")))
    moved = upsert_entity(moved, replace(moved.experiments["order"], percent=70))
    again = Configuration()
    for kind in ENTITY_KINDS.values():
        for noun in reversed(getattr(moved, kind).values()):
            again = upsert_entity(again, noun)
    assert again == moved


def test_the_same_configurations_do_not_differ() -> None:
    assert diff(example(), example()) == []


def test_differences_are_sentences() -> None:
    before = example()
    after = upsert_entity(before, replace(before.rules["tv-brazil"], shares=shares("ranker@v7 70, ranker@v8 30")))
    after = upsert_entity(after, replace(after.rules["lusophone"], match=when(country=("BR", "PT", "AO")), position=35))
    after = upsert_entity(after, replace(after.canaries["wallets"], percent=50))
    after = upsert_entity(after, replace(after.objectives["home"], input={"type": "object"}))
    after = remove_entity(upsert_entity(after, Layer(name="new")), "overrides", "lab")
    assert [str(one) for one in diff(before, after)] == [
        "objective home: input changed",
        "rule lusophone: when from country is BR or PT to country is BR, PT or AO; position from 30 to 35",
        "rule tv-brazil: shares from ranker@v7 90 %, ranker@v8 10 % to ranker@v7 70 %, ranker@v8 30 %",
        "layer new added",
        "canary wallets: percent from 20 to 50",
        "override lab removed",
    ]
    assert [one.change for one in diff(before, after)] == [*["changed"] * 3, "added", "changed", "removed"]


def test_a_difference_holds_both_nouns_and_the_fields_that_changed() -> None:
    before = example()
    after = upsert_entity(before, replace(before.canaries["wallets"], percent=50))
    (one,) = diff(before, after)
    assert (one.kind, one.name, one.fields) == ("canaries", "wallets", ("percent",))
    assert (one.before, one.after) == (before.canaries["wallets"], after.canaries["wallets"])
    assert len(diff(Configuration(), before)) == sum(len(getattr(before, kind)) for kind in ENTITY_KINDS.values())
