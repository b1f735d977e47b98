"""Amounts to the wire and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.errors import ArgumentError
from nlapi.tools.quantities.units import SCALES, from_wire, to_wire, unit_of
from tests.tables import table


def test_dollars_become_micros_exactly() -> None:
    assert to_wire(50, "micros") == 50_000_000
    assert to_wire("19.99", "micros") == 19_990_000
    assert to_wire(0.1, "cents") == 10
    assert to_wire("1,250.5", "micros") == 1_250_500_000


def test_an_unknown_unit_changes_nothing() -> None:
    assert to_wire(2.5, "parsecs") == 2.5


def test_a_whole_amount_is_an_int() -> None:
    assert isinstance(to_wire(2.0, ""), int)


@table("amount", ["fifty", "", "nan", "inf"])
def test_what_is_no_number_is_refused(amount: str) -> None:
    with pytest.raises(ArgumentError, match="not an amount"):
        to_wire(amount, "micros")


def test_the_unit_stands_in_the_extension() -> None:
    assert unit_of({"type": "integer"}, {"x-nlapi": {"unit": "micros"}}) == "micros"
    assert unit_of({"x-nlapi": "micros"}, {}) == ""


@given(st.integers(-(10**9), 10**9), st.sampled_from(sorted(SCALES)))
def test_there_and_back_again(cents: int, unit: str) -> None:
    amount = Decimal(cents) / 100
    assert from_wire(to_wire(amount, unit), unit) == pytest.approx(float(amount))
