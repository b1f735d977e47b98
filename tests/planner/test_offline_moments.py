"""A day and a time of day in the form of their field: the whole moment is sent, or what is cut is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from nlapi.english.words import split_words
from nlapi.planner import OfflinePlanner
from nlapi.planner.slots.values import in_zone
from nlapi.resources.forms import MomentForm, moment_form
from nlapi.tools.plan import Plan
from nlapi.tools.quantities.moments import moment_notes
from tests.describe import body, parameter, spec
from tests.tables import table

PARIS = ZoneInfo("Europe/Paris")
TODAY = date(2026, 5, 13)
EPOCH = int(datetime(2026, 12, 1, 17, tzinfo=UTC).timestamp())
WHOLE = "2026-12-01T18:00:00+01:00"


def said(text: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "string", **({"description": text} if text else {}), **more}


def number(text: str = "") -> dict[str, Any]:
    return {"type": "integer", **({"description": text} if text else {})}


def planned(question: str, fields: dict[str, Any], zone: Any = PARIS) -> Plan:
    """The plan for a question about an API with connectors that are reserved."""
    schema = {"type": "object", "properties": fields, "required": sorted(fields)}
    connector = parameter("connector_id", "path", {"type": "string"}, description="Id of the connector.")
    reserve = {
        "operationId": "reserveConnector",
        "summary": "Reserve a connector",
        "parameters": [connector],
        "responses": {"200": {"description": "ok"}},
        **body(schema),
    }
    api = spec({"/connectors/{connector_id}/reservations": {"post": reserve}})
    return OfflinePlanner([api], today=TODAY, zone=zone).plan(question)


def sent(question: str, fields: dict[str, Any], zone: Any = PARIS) -> dict[str, Any]:
    plan = planned(question, fields, zone)
    call = plan.calls[0] if plan.calls else plan.goal
    assert call is not None, plan
    return {name: value for name, value in call.arguments.items() if name != "connector_id"}


# Fields of many kinds, each with the whole moment in the form that it shows.
KINDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"ending": said()}, {"ending": WHOLE}),
    ({"ends_at": said()}, {"ends_at": WHOLE}),
    ({"endDate": said()}, {"endDate": WHOLE}),
    ({"end_time": said()}, {"end_time": WHOLE}),
    ({"expires": said()}, {"expires": WHOLE}),
    ({"end": said()}, {"end": WHOLE}),
    ({"valid_through": said()}, {"valid_through": WHOLE}),
    ({"ends_on": said()}, {"ends_on": WHOLE}),
    ({"endDateTime": said()}, {"endDateTime": WHOLE}),
    ({"limit": said("Date and time at which the reservation ends.")}, {"limit": WHOLE}),
    ({"end_date": number()}, {"end_date": EPOCH}),
    ({"ending": said("When the reservation ends.")}, {"ending": WHOLE}),
    ({"end_date": said(format="date-time")}, {"end_date": WHOLE}),
    ({"end_date": said("When it ends, in UTC.", format="date-time")}, {"end_date": "2026-12-01T17:00:00Z"}),
    ({"end": said("When it ends, in ISO 8601.")}, {"end": WHOLE}),
    ({"end": said("When it ends (RFC 3339).")}, {"end": WHOLE}),
    ({"end": said("When it ends, YYYY-MM-DD HH:MM")}, {"end": "2026-12-01 18:00"}),
    ({"end": said("When it ends, yyyy-MM-dd'T'HH:mm:ss")}, {"end": "2026-12-01T18:00:00"}),
    ({"end": said("When it ends, YYYY-MM-DD HH:MM:SS, UTC")}, {"end": "2026-12-01 17:00:00"}),
    ({"end": said("When it ends, as dd/mm/yyyy hh:mm")}, {"end": "01/12/2026 18:00"}),
    ({"end": said("When it ends, as a unix timestamp")}, {"end": str(EPOCH)}),
    ({"end": number("When it ends, as a unix timestamp")}, {"end": EPOCH}),
    ({"end": number("When it ends, in epoch milliseconds")}, {"end": EPOCH * 1000}),
    ({"end": number("When it ends, timestamp in seconds")}, {"end": EPOCH}),
    ({"ends_at": number()}, {"ends_at": EPOCH}),
    ({"end": said("When it ends, e.g. 2024-03-05T10:20:30Z")}, {"end": "2026-12-01T17:00:00Z"}),
    ({"end": said("When it ends.", example="2024-03-05T10:20:30.000Z")}, {"end": "2026-12-01T17:00:00.000Z"}),
    ({"end": said("When it ends.", example="25/03/2024 10:20")}, {"end": "01/12/2026 18:00"}),
    ({"end": said("When it ends.", examples=["2024-03-05 10:20:30"])}, {"end": "2026-12-01 18:00:00"}),
    ({"end": said("When it ends.", pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d$")}, {"end": "2026-12-01T18:00"}),
    (
        {"end": said("When it ends.", pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")},
        {"end": "2026-12-01T17:00:00Z"},
    ),
    ({"end": said("When it ends, yyyy-MM-dd HH:mm:ss Z")}, {"end": "2026-12-01 17:00:00 Z"}),
    ({"end": said("When it ends, MM/DD/YYYY HH:MM AM/PM")}, {"end": "12/01/2026 06:00 PM"}),
    ({"end": said("When it ends (RFC 1123).")}, {"end": "Tue, 01 Dec 2026 17:00:00 GMT"}),
    ({"end": said("When it ends, e.g. 1709634030000")}, {"end": str(EPOCH * 1000)}),
    ({"end_date": said(format="date"), "end_time": said()}, {"end_date": "2026-12-01", "end_time": "18:00"}),
    ({"date": said(), "time": said()}, {"date": "2026-12-01", "time": "18:00"}),
]


@table(("fields", "values"), KINDS)
def test_a_time_of_day_is_never_cut(fields: dict[str, Any], values: dict[str, Any]) -> None:
    assert sent("reserve connector 5b2e01 ending 1 December 2026 18:00", fields) == values


@table(("fields", "values"), KINDS)
@table("said_as", ["until December 1, 2026 at 6pm", "ending at 18:00 on 1 December 2026"])
def test_a_moment_is_whole_in_whatever_order_it_is_said(
    said_as: str, fields: dict[str, Any], values: dict[str, Any]
) -> None:
    assert sent(f"reserve connector 5b2e01 {said_as}", fields) == values


@table(
    ("field", "value"),
    [
        (said(format="date"), "2026-12-01"),
        (said("When it ends, YYYY-MM-DD"), "2026-12-01"),
        (said("When it ends.", example="2024-03-05"), "2026-12-01"),
        (said("When it ends, as dd/mm/yyyy"), "01/12/2026"),
    ],
)
def test_a_time_of_day_that_a_field_cannot_carry_is_not_used(field: dict[str, Any], value: str) -> None:
    plan = planned("reserve connector 5b2e01 ending 1 December 2026 18:00", {"end_date": field})
    (call,) = plan.calls
    assert call.arguments["end_date"] == value
    assert call.account is not None and call.account.unused == ("18:00",)
    assert "not used: 18:00" in plan.understood
    assert plan.confidence < 0.75


@table(
    ("zone", "value"),
    [
        ("UTC", "2026-12-01T18:00:00Z"),
        ("GMT+2", "2026-12-01T18:00:00+02:00"),
        ("+02:00", "2026-12-01T18:00:00+02:00"),
        ("EST", "2026-12-01T18:00:00-05:00"),
        ("(PST)", "2026-12-01T18:00:00-08:00"),
        ("Pacific time", "2026-12-01T18:00:00-08:00"),
        ("New York time", "2026-12-01T18:00:00-05:00"),
        ("Asia/Tokyo", "2026-12-01T18:00:00+09:00"),
        ("and", WHOLE),
    ],
)
def test_a_zone_that_is_said_is_kept(zone: str, value: str) -> None:
    question = f"reserve connector 5b2e01 ending 1 December 2026 18:00 {zone}"
    assert sent(question, {"ending": said()}) == {"ending": value}
    seconds = int(datetime.fromisoformat(value).timestamp())
    assert sent(question, {"ending": number("unix timestamp")}) == {"ending": seconds}


def test_a_zone_for_which_a_form_has_no_place_is_not_used() -> None:
    fields = {"end": said("When it ends, YYYY-MM-DD HH:MM")}
    (call,) = planned("reserve connector 5b2e01 ending 1 December 2026 18:00 UTC", fields).calls
    assert call.account is not None and call.account.unused == ("UTC",)
    # In Paris it is 18:00 CET there.
    (same,) = planned("reserve connector 5b2e01 ending 1 December 2026 18:00 CET", fields).calls
    assert same.account is not None and same.account.unused == ()


@table(
    ("day", "value"),
    [
        ("28 March 2027 02:30", "2027-03-28T03:30:00+02:00"),  # the hour that summer time leaves out
        ("31 October 2027 02:30", "2027-10-31T02:30:00+02:00"),  # the first of two
        ("1 July 2026 18:00", "2026-07-01T18:00:00+02:00"),
    ],
)
def test_summer_time_is_that_of_the_day(day: str, value: str) -> None:
    assert sent(f"reserve connector 5b2e01 until {day}", {"ends_at": said()}) == {"ends_at": value}


def test_a_plain_day_stays_a_day() -> None:
    question = "reserve connector 5b2e01 until 1 December 2026"
    assert sent(question, {"ending": said()}) == {"ending": "2026-12-01"}
    assert sent(question, {"ends_at": said(format="date-time")}) == {"ends_at": "2026-12-01T00:00:00+01:00"}
    shown = said("As 1963-11-22T18:30:00Z", format="date-time")
    assert sent(question, {"ends_at": shown}) == {"ends_at": "2026-11-30T23:00:00Z"}


def test_a_field_of_several_layouts_takes_each() -> None:
    field = {"end": said("The end, such as 'YYYY-MM-DD HH:MM:SS', 'YYYY-MM-DD' or 'HH:MM'.")}
    assert sent("reserve connector 5b2e01 until 11 PM", field) == {"end": "23:00"}
    assert sent("reserve connector 5b2e01 until 1 December 2026", field) == {"end": "2026-12-01"}
    assert sent("reserve connector 5b2e01 until 1 December 2026 6pm", field) == {"end": "2026-12-01 18:00:00"}
    written = {"end": said("The end, as month-day-year.")}
    assert sent("reserve connector 5b2e01 until 1 December 2026", written) == {"end": "12-01-2026"}


def test_a_length_a_phone_and_a_recipient_are_no_moments() -> None:
    for name, text in (("length", "ISO 8601 duration"), ("phone", "e.g. 1555123456"), ("timezone", "")):
        assert moment_form([name], said(text), text) is None


def test_what_the_pattern_of_a_field_refuses_is_not_sent() -> None:
    field = {"start_time": said(pattern=r"^\d{2}:\d{2}$")}
    (call,) = planned("reserve connector 5b2e01 from 1 December 2026 18:00", field).calls
    assert call.arguments["start_time"] == "18:00"
    assert call.account is not None and call.account.unused == ("1 December 2026",)


FORMS = [
    form
    for fields, _ in KINDS
    for name, schema in fields.items()
    if (form := moment_form(split_words(name), schema, str(schema.get("description", "")))) is not None
]


@given(
    st.sampled_from(FORMS),
    st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2090, 1, 1)),
    st.sampled_from(["Europe/Paris", "UTC", "America/St_Johns", "Asia/Kolkata"]),
)
def test_a_moment_is_read_back_as_it_was_or_leaves_a_remainder(form: MomentForm, moment: datetime, name: str) -> None:
    """Only the second of two equal hours at the end of summer time has no writing of its own without an offset."""
    zone = ZoneInfo(name)
    at = in_zone(moment.replace(microsecond=0), zone)
    is_twice = at.replace(fold=1).utcoffset() != at.replace(fold=0).utcoffset()
    if not form.cuts(at, has_zone=True) and not is_twice:
        assert form.read(form.write(at), zone) == at


@table(
    ("value", "note"),
    [
        ("2026-12-01T18:00:00+01:00", ["ending: 18:00 in Europe/Paris (UTC+1)"]),
        ("2026-12-01T17:00:00Z", ["ending: 18:00 in Europe/Paris (UTC+1)"]),
        ("2026-12-01T23:30:00Z", ["ending: 2026-12-02 00:30 in Europe/Paris (UTC+1)"]),
        ("2026-12-01", []),
        ("2026-12-01 18:00", []),
    ],
)
def test_a_preview_says_the_zone(value: str, note: list[str]) -> None:
    (call,) = planned("reserve connector 5b2e01 until 1 December 2026", {"ending": said()}).calls
    assert moment_notes(replace(call, arguments={**call.arguments, "ending": value}), PARIS) == note


def test_a_preview_says_what_a_number_since_1970_is() -> None:
    (call,) = planned("reserve connector 5b2e01 until 1 December 2026 18:00", {"ends_at": number()}).calls
    assert moment_notes(call, PARIS) == ["ends_at: 2026-12-01 18:00 in Europe/Paris (UTC+1)"]
    assert moment_notes(call, ZoneInfo("UTC")) == ["ends_at: 2026-12-01 17:00 UTC"]


def test_a_fraction_of_a_second_is_sent() -> None:
    question = "reserve connector 5b2e01 with ending 2026-12-01T18:00:00.25+01:00"
    assert sent(question, {"ending": said(format="date-time")}) == {"ending": "2026-12-01T18:00:00.25+01:00"}


def test_an_amount_of_money_is_no_moment_in_a_preview() -> None:
    fields = {"daily_budget_micros": number("Spend of one day in micros, from the timestamp of its start.")}
    call = planned("reserve connector 5 with a daily budget of $50", fields).calls[0]
    assert moment_notes(call, PARIS) == []


@table(
    ("question", "arguments"),
    [
        ("list the bookings on 5 May 2026", {"date": "2026-05-05"}),
        ("list the bookings of the last 3 days", {}),
        ("list the bookings per day in the last 3 days", {}),
    ],
)
def test_several_days_are_not_one_day_nor_a_text(question: str, arguments: dict[str, Any]) -> None:
    day = parameter("date", schema={"type": "string", "format": "date"}, description="Only bookings of this day.")
    paths = {"/bookings": {"get": {"operationId": "listBookings", "summary": "List bookings",
             "parameters": [day, parameter("room", schema={"type": "string"})],
             "responses": {"200": {"description": "ok"}}}}}  # fmt: skip
    (call,) = OfflinePlanner((spec(paths),), today=TODAY).plan(question).calls
    assert call.arguments == arguments
