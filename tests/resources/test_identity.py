"""What people call a thing, what tells it apart and which of its fields a table shows, in things of well-known APIs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from nlapi.resources.identity import columns, field_at, fields_of, id_of, name_of, text_of
from nlapi.results.contents import values_at
from tests.tables import table

CASES = yaml.load(Path(__file__).with_name("things.yaml").read_text(), yaml.CSafeLoader)


@table("case", CASES, ids=[case["name"] for case in CASES])
def test_a_thing_is_identified_and_described(case: dict[str, Any]) -> None:
    noun, argument = tuple(case["noun"].split()), case.get("argument", "")
    assert [name_of(thing, noun) for thing in case["things"]] == case["names"]
    assert [id_of(thing, argument, noun) for thing in case["things"]] == case["ids"]
    assert columns(case["things"], noun)[: len(case["columns"])] == case["columns"]


@table("case", CASES, ids=[case["name"] for case in CASES])
def test_every_column_leads_to_a_field_that_says_something(case: dict[str, Any]) -> None:
    for path in columns(case["things"]):
        assert any(field_at(thing, path) not in (None, "", [], {}) for thing in case["things"]), path


def test_columns_of_nothing_are_none() -> None:
    assert columns([]) == []
    assert columns([{}]) == []
    assert columns([{"id": 1}, {"id": 2, "name": "x"}]) == ["name", "id"]


@table(
    ("argument", "id"),
    [("id", 9), ("pull_number", 3), ("sha", "6dcb09b"), ("pull_id", 9), ("issueIdOrKey", "A-1"), ("", 9)],
)
def test_an_argument_takes_the_id_that_it_is_called_after(argument: str, id: Any) -> None:
    thing = {"id": 9, "number": 3, "key": "A-1", "sha": "6dcb09b", "title": "x"}
    assert id_of(thing, argument) == id


def test_what_the_noun_names_is_the_name() -> None:
    hotel = {"city_name": "Rome", "hotel_name": "Roma", "hotel_id": 7, "city_id": 1}
    assert name_of(hotel, ("hotel",)) == "Roma"
    assert id_of(hotel, noun=("hotel",)) == 7


def test_a_long_text_is_no_name() -> None:
    assert name_of({"summary": "x" * 200, "slug": "soup"}) == "soup"


def test_fields_are_read_two_levels_deep() -> None:
    thing = {"a": {"b": {"c": {"d": 1}}}, "labels": {"app.kubernetes.io/name": "web"}, "tags": [{"x": 1}]}
    assert fields_of(thing) == {
        "a.b": {"c": {"d": 1}},
        "labels.app.kubernetes.io/name": "web",
        "tags": [{"x": 1}],
    }
    assert field_at(thing, "labels.app.kubernetes.io/name") == "web"
    assert field_at(thing, "a.b.c.d") == 1
    assert field_at(thing, "a.x") is field_at(7, "a") is None


def test_a_name_of_very_many_dots_is_looked_up_a_few_times() -> None:
    class Thing(dict[str, Any]):
        lookups = 0

        def __contains__(self, key: object) -> bool:
            self.lookups += 1
            return super().__contains__(key)

    thing = Thing({"." * 10_000 + "a": 1, "x": 2})
    assert field_at(thing, "." * 10_000 + "a") == 1
    for read in (field_at, values_at):
        thing.lookups = 0
        assert read(thing, "." * 10_000 + "b") in (None, [])
        assert thing.lookups < 100


@table(
    ("value", "text"),
    [
        ("x", "x"),
        ({"rendered": "Hello", "protected": False}, "Hello"),
        ({"self": "https://j/1", "id": "3", "name": "In Progress", "statusCategory": {"id": 4}}, "In Progress"),
        ({"login": "ada", "id": 1, "url": "https://x"}, "ada"),
        ({"en-US": "Hello", "de": "Hallo"}, "Hello"),
        ({"dateTime": "2026-05-14T09:00:00Z", "timeZone": "UTC"}, "2026-05-14T09:00:00Z"),
        ({"value": "", "creator": "", "last_set": 0}, ""),
        ({"name": "web", "image": "nginx", "ports": [{"port": 80}]}, ""),
        ({"street": "a", "city": "b"}, ""),
        ({"amount": 5, "currency": "EUR"}, ""),
        (5, ""),
        (None, ""),
    ],
)
def test_an_object_may_stand_for_a_text(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_what_is_in_labels_is_of_the_thing_around_it() -> None:
    assert text_of({"name": "web", "kind": "x"}, "labels") == ""


def test_items_that_only_a_number_identifies_have_it_first() -> None:
    rows = [{"revision": number, "at": f"2026-01-0{number}T00:00:00Z", "who": "ana", "why": ""} for number in (3, 2, 1)]
    assert columns(rows, ("revision",))[0] == "revision"
    assert columns([{**row, "revision": 1} for row in rows], ("revision",))[0] != "revision"
