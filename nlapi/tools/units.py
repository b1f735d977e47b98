"""Amounts as people say them, turned into what an API wants on the wire (`x-nlapi: {unit: micros}`)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from nlapi.errors import ArgumentError

SCALES: dict[str, Decimal] = {
    "micros": Decimal(1_000_000),
    "micro": Decimal(1_000_000),
    "cents": Decimal(100),
    "minor": Decimal(100),
    "mills": Decimal(1_000),
    "milliseconds": Decimal(1_000),
    "fraction": Decimal("0.01"),
    "basis_points": Decimal(100),
    "units": Decimal(1),
}
"""Unit on the wire -> how many of it make one of what people say (a dollar, a second, a per cent)."""


def unit_of(*places: Mapping[str, Any]) -> str:
    """The wire unit that `x-nlapi: {unit: ...}` of a schema, or a parameter's extensions, names; "" when none does."""
    for place in places:
        extension = place.get("x-nlapi")
        unit = extension.get("unit") if isinstance(extension, Mapping) else place.get("x-nlapi-unit")
        if isinstance(unit, str):
            return unit
    return ""


def to_wire(amount: int | float | str | Decimal, unit: str) -> int | float:
    """`amount` as people say it ("50", 19.99) in the wire's `unit`: to_wire(50, "micros") -> 50000000.

    An unknown unit changes nothing. A whole number comes back as int. ArgumentError when `amount` is no finite number.
    """
    try:
        exact = Decimal(str(amount).replace(",", ""))
    except InvalidOperation:
        raise ArgumentError(f"{amount!r} is not an amount", hint="give a number such as 50 or 19.99") from None
    if not exact.is_finite():
        raise ArgumentError(f"{amount!r} is not an amount", hint="give a number such as 50 or 19.99")
    exact *= SCALES.get(unit.lower(), Decimal(1))
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def from_wire(value: int | float, unit: str) -> int | float:
    """The way back, for answers: from_wire(50000000, "micros") -> 50."""
    exact = Decimal(str(value)) / SCALES.get(unit.lower(), Decimal(1))
    return int(exact) if exact == exact.to_integral_value() else float(exact)
