"""What a sentence is found to hold: numbers, money, dates, names, ids, and what they become."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import pytest

from nlapi.planner.slots.assignment import assign_slots
from nlapi.planner.slots.candidates import slot_candidates
from nlapi.planner.slots.context import SlotContext
from nlapi.reading.dates import find_dates
from nlapi.reading.numbers import find_numbers
from nlapi.reading.reader import read_sentence
from nlapi.reading.text import MentionKind
from tests.describe import body, parameter, spec
from tests.planner.kit import TODAY, only, planner
from tests.tables import table
from training.gold import scene_of


@table(
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


@table(
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
        ("March 20, 2024, at 6:30 PM", datetime(2024, 3, 20, 18, 30)),
        ("the 20th of March 2024 at 3 in the afternoon", datetime(2024, 3, 20, 15)),
        ("20/3/2024 09:30", datetime(2024, 3, 20, 9, 30)),
        ("next Friday, 2026-06-05", date(2026, 6, 5)),
    ],
)
def test_dates(text: str, value: Any) -> None:
    assert [found.value for found in find_dates(text, TODAY)] == [value]


@table("text", ["2024-13-45", "February 30", "I may 5 go", "99:99", "in 99999999999 days"])
def test_what_is_no_date(text: str) -> None:
    assert find_dates(text, TODAY) == []


def spans(text: str, kind: MentionKind) -> list[str]:
    return [span.text for span in read_sentence(text, TODAY).mentions if span.kind is kind]


def test_names_are_runs_of_capitals() -> None:
    assert "Back to School" in spans("ads of the campaign Back to School", MentionKind.NAME)
    assert spans("Pause it", MentionKind.NAME) == []
    assert "Denver, Colorado" in spans("a hospital near Denver, Colorado please", MentionKind.NAME)


def test_quotes_and_literals() -> None:
    assert spans("the 'Summer Sale' isn't \"over\"", MentionKind.QUOTED) == ["Summer Sale", "over"]
    found = spans("cmp_1a2b of a@b.co on https://x.org/y?z=1.", MentionKind.LITERAL)
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


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$"])
def test_a_pattern_that_would_take_for_ever_is_given_up(pattern: str) -> None:
    """Python's own engine would be at the first of these values for hours."""
    code = parameter("code", schema={"type": "string", "pattern": pattern}, required=True)
    values = " ".join(f'"{"a" * (40 + extra)}!"' for extra in range(20))
    assert asked(f"make a thing with code {values}", code) == {}


def test_properties_inside_a_body_are_reached() -> None:
    size = {"type": "object", "properties": {"width": {"type": "integer"}, "height": {"type": "integer"}}}
    node = body({"type": "object", "properties": {"title": {"type": "string"}, "size": size}})
    made = asked("make a thing titled Box with a width of 30 and a height of 40", **node)
    assert made == {"title": "Box", "size": {"width": 30, "height": 40}}


_LENGTH = {"type": "number", "description": "How long it runs, in minutes."}
_TOWN = {"type": "string", "description": "City and state, such as 'Reno, NV'."}


def _pump(question: str, *parameters: Any) -> SlotContext:
    pumps = {"get": {"operationId": "runPump", "parameters": list(parameters)}}
    document = {"openapi": "3.1.0", "info": {"title": "Pumps", "version": "1"}, "paths": {"/pumps": pumps}}
    return scene_of(document, question, TODAY)


def _offered(question: str, name: str, schema: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (str(option.value), option.conversion)
        for option in slot_candidates(_pump(question, parameter(name, schema=schema)))
    }


def test_a_measure_is_offered_in_the_unit_of_the_argument() -> None:
    assert ("90", "measured") in _offered("run it for 1 hour and 30 minutes", "length", _LENGTH)
    assert ("90", "measured") in _offered("run it for 1h 30min", "length", _LENGTH)
    assert ("0.5", "measured") in _offered("run it for 30 seconds", "length", _LENGTH)
    assert not any(how == "measured" for _, how in _offered("run it for 30 kilos", "length", _LENGTH))


def test_a_moment_is_written_as_the_example_in_the_description() -> None:
    for example, written in (
        ("2023-04-15T13:45:00Z", "2021-05-02T16:30:00Z"),
        ("2023-04-15 13:45", "2021-05-02 16:30"),
    ):
        moment = {"type": "string", "description": f"The new date and time, such as '{example}'."}
        assert (written, "") in _offered("run it on May 2, 2021 at 4:30 pm", "new_date", moment)


def test_a_share_is_offered_as_it_is_said_and_as_a_part_of_one() -> None:
    assert {("5", ""), ("0.05", "fraction")} <= _offered("a rate of 5%", "rate", {"type": "number"})


def test_a_town_is_offered_in_its_state_though_a_bigger_one_has_its_name() -> None:
    assert ("Santa Rosa, CA", "region") in _offered("pumps in Santa Rosa", "town", _TOWN)
    anywhere = {"type": "string", "description": "City and state or country, such as 'Reno, NV'."}
    assert {("Santa Rosa, Philippines", "region"), ("Santa Rosa, CA", "us")} <= _offered(
        "pumps in Santa Rosa", "town", anywhere
    )
    assert ("New york, NY", "region") in _offered("pumps in New york", "town", _TOWN)
    assert not any(value.endswith("Mali") for value, _ in _offered("pumps in San Fran", "town", anywhere))


def test_the_noun_of_an_argument_in_a_name_belongs_to_it() -> None:
    hotel = {"type": "string", "description": "The name of the hotel."}
    offered = _offered("book a room at the Plaza Hotel in June", "hotel_name", hotel)
    assert ("Plaza Hotel", "") in offered and "Plaza" not in {value for value, _ in offered}
    assert "Plaza" in {value for value, _ in _offered("book a room at the Plaza hotel in June", "hotel_name", hotel)}


def test_the_day_of_a_moment_and_its_hour_can_be_had_apart() -> None:
    spans = read_sentence("on March 3, 2026 at 4:30 pm", TODAY).mentions
    assert {span.value for span in spans if span.kind is MentionKind.DATE} == {
        datetime(2026, 3, 3, 16, 30),
        date(2026, 3, 3),
        time(16, 30),
    }


def test_the_day_that_a_sentence_says_it_is_counts() -> None:
    sentence = read_sentence("Today is March 6, 2024. What was there yesterday?", TODAY)
    assert sentence.today == date(2024, 3, 6)
    assert date(2024, 3, 5) in {span.value for span in sentence.mentions}


def test_a_flag_is_denied_from_a_few_words_before() -> None:
    flag = {"type": "boolean", "description": "Whether the guests are notified."}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Parties", "version": "1"},
        "paths": {"/parties": {"get": {"operationId": "endParty", "parameters": [parameter("notify", schema=flag)]}}},
    }
    scene = scene_of(document, "end it, and do not even try to notify anybody", TODAY)
    assert {option.slot.name: option.value for option in assign_slots(scene).candidates} == {"notify": False}


@table("word", ["at", "to", "with"])
def test_the_only_address_is_the_only_value_that_is_one(word: str) -> None:
    address = {"type": "string", "format": "uri"}
    properties = {"name": {"type": "string"}, "endpoints": {"type": "array", "items": address}}
    node = {"operationId": "createMirror", "summary": "Create a mirror", **body({"properties": properties})}
    node["responses"] = {"201": {"description": "made"}}
    plan = planner(spec({"/mirrors": {"post": node}})).plan(f"add a mirror web-2 {word} http://10.0.0.7:8000")
    assert only(plan)[1]["endpoints"] == ["http://10.0.0.7:8000"]


def test_an_address_ends_with_its_sentence() -> None:
    for sentence, address in (
        ("a ride to 12 White Street, San Jose. Number of seats is 1", "12 White Street, San Jose"),
        ("send it to 12 Long St. Leeds", "12 Long St. Leeds"),
    ):
        mentions = read_sentence(sentence, TODAY).mentions
        assert max((one.text for one in mentions if one.form == "address"), key=len) == address
