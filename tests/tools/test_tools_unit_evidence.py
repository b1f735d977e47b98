"""The unit of an argument, read from what a description says of it, and the amounts that people say there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.errors import ArgumentError
from nlapi.tools.compile import compile_tool
from nlapi.tools.quantities.unit_evidence import read_unit
from nlapi.tools.quantities.units import (
    UnitEvidence,
    WireUnit,
    amount_notes,
    parse_amount,
    spoken_amount,
    to_wire_units,
    tool_units,
)
from nlapi.tools.sending.run import Target, prepare
from nlapi.tools.tool import Call, Tool
from tests.describe import spec
from tests.tables import table

MICRO_TEXT = "The bid per 1000 impressions, in the account's currency and multiplied by x10 to the 6th power."


def unit(name: str, description: str = "", **schema: Any) -> str:
    found = read_unit(name, [{"type": "integer", "description": description, **schema}])
    return found.name if found else ""


@table(
    ("name", "description", "schema", "expected"),
    [
        ("bid_micro_amount", MICRO_TEXT, {}, "micros"),
        ("budgetMicros", "", {}, "micros"),
        ("amount", "Amount in cents to be transferred.", {}, "cents"),
        ("amount", "How much to charge, in the smallest currency unit.", {}, "minor"),
        ("monthly_price_in_cents", "", {}, "cents"),
        ("price_usd", "The price.", {"type": "number"}, "units"),
        ("timeoutMs", "", {}, "milliseconds"),
        ("ttl", "The time to live, in seconds.", {}, "seconds"),
        ("retention_days", "", {}, "days"),
        ("days_until_due", "Number of days in which it is paid.", {}, "days"),
        ("diskSizeGB", "", {}, "GB"),
        ("maxKiB", "", {}, "KiB"),
        ("size", "Provisioned size of the pool (in bytes).", {}, "bytes"),
        ("percentage", "The share of traffic.", {"maximum": 100}, "percent"),
        ("share", "A fraction of the table.", {"type": "number", "minimum": 0, "maximum": 1}, "fraction"),
        ("fee", "The fee in basis points.", {}, "basis_points"),
        ("timeoutMs", "In whole minutes.", {"x-nlapi": {"unit": "seconds"}}, "seconds"),
    ],
)
def test_a_unit_is_read_where_the_description_is_sure(
    name: str, description: str, schema: dict[str, Any], expected: str
) -> None:
    assert unit(name, description, **schema) == expected


@table(
    ("name", "description", "schema"),
    [
        ("amount", "How much.", {}),
        ("bid", "The bid.", {"type": "number"}),
        ("created_at_ms", "", {}),
        ("expires", "Expiration in seconds since the epoch.", {}),
        ("startTimeMillis", "", {}),
        ("durationMicros", "", {}),
        ("requests_per_second", "", {}),
        ("interval.startTime.hours", "Hours of day in 24 hour format.", {}),
        ("sold_in_last_45_days", "Cars that were sold.", {}),
        ("afterHoursWorkType", "", {}),
        ("displayColorRGB", "", {}),
        ("bytes_sent", "Outbound GB of the period.", {"type": "number"}),
        ("timeout_seconds", "The timeout in milliseconds.", {}),
        ("percent", "The share.", {"type": "number"}),
        ("amount", "In cents, or in dollars for older accounts.", {}),
        ("amount", "A decimal amount in cents.", {"type": "number"}),
        ("maxUnavailable", "A number or a percentage.", {"type": ["integer", "string"]}),
        ("timeout_ms", "", {"type": "string"}),
        ("days", "Days of the week.", {}),
        ("complimentary", "The total amount of promotional credit(s).", {"type": "number"}),
        ("PostExpirationExcess-S", "", {"type": "number"}),
        ("limit", "At most so many cents.", {"enum": [1, 2]}),
    ],
)
def test_no_unit_is_read_where_two_readings_are_possible(name: str, description: str, schema: dict[str, Any]) -> None:
    assert unit(name, description, **schema) == ""


def wire(name: str, currency: str = "") -> WireUnit:
    return WireUnit(name=name, evidence=UnitEvidence.TEXT, currency=currency)


@table(
    ("text", "name", "number"),
    [
        ("15 USD", "micros", 15_000_000),
        ("$0.10", "cents", 10),
        ("1,250.50 EUR", "minor", 125_050),
        ("500 JPY", "minor", 500),
        ("15 micros", "micros", 15),
        ("90s", "milliseconds", 90_000),
        ("2h", "seconds", 7_200),
        ("1h 30m", "minutes", 90),
        ("2 days", "hours", 48),
        ("10 GB", "bytes", 10**10),
        ("2 GiB", "MiB", 2_048),
        ("10 GB", "GB", 10),
        ("12.5%", "fraction", 0.125),
        ("2%", "basis_points", 200),
        ("12%", "percent", 12),
    ],
)
def test_an_amount_with_its_unit_is_a_number_on_the_wire(text: str, name: str, number: float) -> None:
    assert parse_amount(text, wire(name)) == number


@table(
    ("text", "name"),
    [("15", "micros"), ("15 bucks", "micros"), ("15 ABC", "micros"), ("90", "seconds"), ("2M", "days")],
)
def test_what_has_no_unit_that_fits_is_left_as_it_is(text: str, name: str) -> None:
    assert parse_amount(text, wire(name)) is None


@table(
    ("text", "of"),
    [
        ("15 EUR", wire("micros", "USD")),
        ("500 JPY", wire("cents")),
        ("2 GB", wire("MB")),
        ("90s", wire("minutes")),
    ],
)
def test_an_amount_without_a_sure_number_is_refused(text: str, of: WireUnit) -> None:
    with pytest.raises(ArgumentError):
        parse_amount(text, of)


BODY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "bid_micro_amount": {"type": "integer", "description": MICRO_TEXT, "minimum": 1},
        "budget": {
            "type": "object",
            "properties": {
                "micro_amount": {"type": "integer", "description": "The budget."},
                "currency": {"type": "string"},
            },
        },
        "caps": {"type": "array", "description": "Caps in seconds.", "items": {"type": "integer"}},
        "window_ms": {"type": "integer", "description": "The window, in milliseconds."},
        "count": {"type": "integer"},
    },
}


@pytest.fixture
def tool() -> Tool:
    content = {"application/json": {"schema": BODY}}
    operation = {"operationId": "bid", "requestBody": {"content": content}, "responses": {"204": {"description": ""}}}
    return compile_tool(spec({"/bids": {"post": operation}}).operation("bid"))


def test_amounts_are_converted_wherever_they_stand(tool: Tool) -> None:
    written = {"bid_micro_amount": "15 USD", "budget": {"micro_amount": "50 USD"}, "window_ms": "90s", "count": 15}
    assert to_wire_units(tool, written) == {
        "bid_micro_amount": 15_000_000,
        "budget": {"micro_amount": 50_000_000},
        "window_ms": 90_000,
        "count": 15,
    }
    assert list(tool_units(tool)) == ["bid_micro_amount", "budget.micro_amount", "window_ms"]


def test_an_amount_in_another_currency_than_the_call_states_is_refused(tool: Tool) -> None:
    budget = {"micro_amount": "50 USD", "currency": "EUR"}
    with pytest.raises(ArgumentError, match="micro_amount: '50 USD' is not in EUR"):
        to_wire_units(tool, {"budget": budget})
    assert to_wire_units(tool, {"budget": {**budget, "currency": "USD"}})["budget"] == {
        "micro_amount": 50_000_000,
        "currency": "USD",
    }


def test_a_preview_says_what_is_sent_and_what_a_bare_number_means(tool: Tool) -> None:
    call = Call(tool=tool, arguments={"bid_micro_amount": 15, "budget": {"micro_amount": "50 USD"}, "count": 15})
    prepared = prepare(call, Target(spec=tool.operation.spec))
    assert prepared.request.content == b'{"bid_micro_amount":15,"budget":{"micro_amount":50000000},"count":15}'
    assert amount_notes(prepared.written) == [
        "bid_micro_amount: 15 micros = 0.000015 of the currency",
        "budget.micro_amount: 50 USD -> 50000000 micros",
    ]


@given(st.integers(-(10**12), 10**12), st.sampled_from(["bid_micro_amount", "window_ms", "count"]))
def test_a_bare_number_is_never_changed(number: int, name: str) -> None:
    for part in ({"type": "integer", "description": MICRO_TEXT}, BODY["properties"][name]):
        found = read_unit(name, [part])
        assert found is None or parse_amount(str(number), found) is None
        assert found is None or str(abs(number)) in spoken_amount(number, found).replace(",", "")
