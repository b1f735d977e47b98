"""Shares, reasons, days and verbs of an API's own, as people say them, and small APIs asked in another language."""

from __future__ import annotations

from typing import Any

import pytest

from tests.describe import body, parameter, spec
from tests.planner.kit import only, planner

SHARE = {"type": "number", "minimum": 0, "maximum": 1, "description": "The part of the water that it gets."}
PERCENT = {
    "type": "number",
    "minimum": 0,
    "maximum": 100,
    "description": "The part of the water that it gets, in percent.",
}


def garden(part: dict[str, Any]) -> Any:
    """Valves that have names, get a part of the water, and can be throttled or opened to all beds."""
    named = parameter("valve", "path", {"type": "string"}, required=True, description="Name of the valve.")
    why = {"type": "string", "description": "Why it is done."}
    answers = {"responses": {"200": {"description": "ok"}}}

    def change(id: str, summary: str, **properties: Any) -> dict[str, Any]:
        sent = body({"type": "object", "properties": properties})
        return {"operationId": id, "summary": summary, "parameters": [named], **sent, **answers}

    listing = {"operationId": "listValves", "summary": "List valves, with the throttle of each", **answers}
    one = {"operationId": "getValve", "summary": "Get a valve", "parameters": [named], **answers}
    days = [parameter("day", schema={"type": "string", "format": "date"}, description="Only this day.")]
    log = {"operationId": "listFloods", "summary": "List floods", "parameters": days, **answers}
    share = change("shareWater", "Share the water", part=part, why=why)
    throttle = change("throttleValve", "Throttle a valve", litres_per_hour={"type": "number"}, why=why)
    opened = change("releaseValve", "Release a valve: every bed gets its water")
    return planner(
        spec(
            {
                "/valves": {"get": listing},
                "/valves/{valve}": {"get": one},
                "/valves/{valve}/share": {"post": share},
                "/valves/{valve}/throttle": {"patch": throttle},
                "/valves/{valve}/release": {"post": opened},
                "/floods": {"get": log},
            }
        )
    )


@pytest.mark.parametrize(("schema", "value"), [(PERCENT, 30), (SHARE, 0.3)])
def test_a_per_cent_is_told_as_the_argument_wants_it(schema: dict[str, Any], value: float) -> None:
    made = garden(schema).plan("share 30 % of the water to the valve north-bed")
    assert only(made)[1]["part"] == value


def test_half_is_a_share() -> None:
    made = garden(PERCENT).plan("share half of the water to the valve north-bed")
    assert only(made)[1]["part"] == 50


def test_a_verb_of_the_api_commands_though_it_is_a_noun_too() -> None:
    made = garden(PERCENT).plan("throttle valve north to 40 litres per hour")
    assert only(made)[0] == "throttleValve"
    assert only(made)[1] == {"valve": "north", "litres_per_hour": 40}


def test_what_follows_because_is_the_reason() -> None:
    made = garden(PERCENT).plan("throttle the valve north to 40 litres per hour because the well is dry")
    assert only(made)[1]["why"] == "the well is dry"


def test_what_is_for_all_by_itself_may_be_said_to_be_for_everyone() -> None:
    assert only(garden(PERCENT).plan("release the valve north-bed to everyone"))[0] == "releaseValve"
    assert garden(PERCENT).plan("throttle the valve north-bed for everyone").confidence < 0.4


def test_a_day_that_is_said_is_asked_for() -> None:
    assert only(garden(PERCENT).plan("list the floods of yesterday"))[1] == {"day": "2026-05-12"}


def test_a_small_api_that_reads_is_planned_from_another_language_with_little_confidence() -> None:
    city = [parameter("city", schema={"type": "string"}, required=True, description="The city.")]
    weather = {
        "operationId": "getWeather",
        "summary": "Get the weather",
        "parameters": city,
        "responses": {"200": {"description": "ok"}},
    }
    made = planner(spec({"/weather": {"get": weather}})).plan("我想知道上海目前的天气状况")
    assert "Chinese" in made.text
    assert [one.argument for one in made.missing] == ["city"]
    assert made.confidence < 0.4
