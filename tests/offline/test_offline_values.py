"""What a sentence is found to hold: numbers, money, dates, names, ids, and what they become."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import pytest

from nlapi.offline.dates import find_dates
from nlapi.offline.numbers import find_numbers
from nlapi.offline.read import read_sentence
from nlapi.offline.sentence import Kind
from tests.describe import body, parameter, spec
from tests.offline.kit import TODAY, only, planner


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("$50 and 1,200 and 2.5 million", [50, 1200, 2_500_000]),
        ("3k users, twenty-five per cent", [3000, 25]),
        ("5% of -3 degrees", [5, -3]),
        ("300K and a dozen", [300, 12]),
        ("50 dollars a day", [50]),
        ("bk_42 v2beta abc123", []),
    ],
)
def test_numbers(text: str, values: list[float]) -> None:
    assert [number.value for number in find_numbers(text)] == values


def test_money_knows_its_currency() -> None:
    assert [number.currency for number in find_numbers("€5 or 7 dollars or 9")] == ["EUR", "USD", ""]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("today", date(2026, 5, 13)),
        ("yesterday", date(2026, 5, 12)),
        ("the day after tomorrow", date(2026, 5, 15)),
        ("3 days ago", date(2026, 5, 10)),
        ("March 3", date(2026, 3, 3)),
        ("16th of March 2024", date(2024, 3, 16)),
        ("2024-03-20", date(2024, 3, 20)),
        ("20/3/2024", date(2024, 3, 20)),
        ("next Friday", date(2026, 5, 15)),
        ("last week", (date(2026, 5, 4), date(2026, 5, 10))),
        ("this month", (date(2026, 5, 1), date(2026, 5, 31))),
        ("last 30 days", (date(2026, 4, 13), date(2026, 5, 13))),
        ("5pm", time(17)),
        ("at 14:30", time(14, 30)),
        ("2024-03-20 18:00", datetime(2024, 3, 20, 18)),
    ],
)
def test_dates(text: str, value: Any) -> None:
    assert [found.value for found in find_dates(text, TODAY)] == [value]


@pytest.mark.parametrize("text", ["2024-13-45", "February 30", "I may 5 go", "99:99", "in 99999999999 days"])
def test_what_is_no_date(text: str) -> None:
    assert find_dates(text, TODAY) == []


def spans(text: str, kind: Kind) -> list[str]:
    return [span.text for span in read_sentence(text, TODAY).spans if span.kind is kind]


def test_names_are_runs_of_capitals() -> None:
    assert "Back to School" in spans("ads of the campaign Back to School", Kind.NAME)
    assert spans("Pause it", Kind.NAME) == []
    assert "Denver, Colorado" in spans("a hospital near Denver, Colorado please", Kind.NAME)


def test_quotes_and_literals() -> None:
    assert spans("the 'Summer Sale' isn't \"over\"", Kind.QUOTED) == ["Summer Sale", "over"]
    found = spans("cmp_1a2b of a@b.co on https://x.org/y?z=1.", Kind.LITERAL)
    assert found == ["cmp_1a2b", "a@b.co", "https://x.org/y?z=1"]


def asked(question: str, *parameters: Any, **more: Any) -> Any:
    """The arguments for an operation that makes things, with these parameters."""
    node = {"operationId": "makeThing", "summary": "Make a thing", "parameters": list(parameters), **more}
    node["responses"] = {"200": {"description": "ok"}}
    return only(planner(spec({"/things": {"post": node}})).plan(question))[1]


def test_lists_become_arrays() -> None:
    tags = parameter("tags", schema={"type": "array", "items": {"type": "string"}})
    assert asked("make a thing with tags red, green and blue", tags) == {"tags": ["red", "green", "blue"]}
    sizes = parameter("sizes", schema={"type": "array", "items": {"type": "integer"}})
    assert asked("make a thing of sizes 3, 5 and 8", sizes) == {"sizes": [3, 5, 8]}


def test_yes_and_no() -> None:
    flag = parameter("include_archived", schema={"type": "boolean"})
    assert asked("make a thing and include archived ones", flag) == {"include_archived": True}
    assert asked("make a thing without archived ones", flag) == {"include_archived": False}


def test_what_a_description_says_a_number_stands_for() -> None:
    color = parameter("color", schema={"type": "integer"}, description="The color: 1 for red, 2 for green, 3 for blue.")
    assert asked("make a green thing", color) == {"color": 2}


def test_countries_become_codes_where_codes_are_wanted() -> None:
    country = parameter("country", description="ISO 3166-1 alpha-2 country code.")
    assert asked("make a thing in Japan", country) == {"country": "JP"}


def test_dates_are_written_as_the_description_asks() -> None:
    day = parameter("day", description="The date, as MM/DD/YYYY.", required=True)
    assert asked("make a thing on March 3, 2024", day) == {"day": "03/03/2024"}
    moment = parameter("starts_at", schema={"type": "string", "format": "date-time"}, required=True)
    assert asked("make a thing starting 2024-03-03", moment) == {"starts_at": "2024-03-03T00:00:00Z"}


def test_numbers_out_of_range_and_texts_off_pattern_are_not_used() -> None:
    size = parameter("size", schema={"type": "integer", "maximum": 10}, required=True)
    assert asked("make a thing of size 50", size) == {}
    code = parameter("code", schema={"type": "string", "pattern": "^[A-Z]{3}$"}, required=True)
    assert asked('make a thing with code "abcd"', code) == {}


def test_properties_inside_a_body_are_reached() -> None:
    size = {"type": "object", "properties": {"width": {"type": "integer"}, "height": {"type": "integer"}}}
    node = body({"type": "object", "properties": {"title": {"type": "string"}, "size": size}})
    made = asked("make a thing titled Box with a width of 30 and a height of 40", **node)
    assert made == {"title": "Box", "size": {"width": 30, "height": 40}}
