"""The conversion of amounts between the units that people use and those of an API (`x-nlapi: {unit: micros}`).

Inside nlapi a number is always in wire units. An amount in people's units is a text that carries its unit: "$50", "50
EUR", "12.5%", "90 s". So nothing is converted twice, whoever made the call. See docs/design/006-units.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from nlapi.errors import ArgumentError
from nlapi.openapi.hints import SCALES as SCALES
from nlapi.openapi.hints import read_hints
from nlapi.resources.naming import stem
from nlapi.resources.schemas import schema_types

CURRENCY_PATTERN = r"[$€£¥]|[A-Z]{3}"
# Pattern of the unit behind a number; for a wire unit that is not listed it is a currency. A number without a unit is
# refused and not guessed at: "50" may be dollars or micros.
UNIT_PATTERNS = {"milliseconds": r"s|sec|seconds?", "fraction": "%", "basis_points": "%"}

# The unit that people use where it is no currency, with an example.
HUMAN_UNITS = {
    "milliseconds": ("second", "90 s"),
    "fraction": ("per cent", "12.5%"),
    "basis_points": ("per cent", "2%"),
}

NUMBER_PATTERN = "-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:[.][0-9]+)?"

# Decimal places of currencies whose smallest unit is not a hundredth (ISO 4217).
CURRENCY_DECIMALS = {
    **dict.fromkeys("BIF CLP DJF GNF JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}


def unit_of(*schemas: Mapping[str, object]) -> str:
    """Return the wire unit that `x-nlapi: {unit: ...}` of a schema or of a parameter names; "" for none."""
    return next((unit for schema in schemas if (unit := read_hints(schema).unit)), "")


def to_wire(amount: int | float | str | Decimal, unit: str, currency: str = "") -> int | float:
    """Return `amount` in people's units ("50", 19.99) in the wire's `unit`: to_wire(50, "micros") -> 50000000.

    An unknown unit changes nothing. The smallest unit of some currencies is no hundredth: to_wire(500, "cents", "JPY")
    is 500. A whole number is returned as int. ArgumentError when `amount` is no finite number.
    """
    # Decimal, because 8.2 * 1_000_000 is 8199999.999999999 in binary floating point.
    try:
        exact = Decimal(str(amount).replace(",", ""))
    except InvalidOperation:
        raise ArgumentError(f"{amount!r} is not an amount", hint="give a number such as 50 or 19.99") from None
    if not exact.is_finite():
        raise ArgumentError(f"{amount!r} is not an amount", hint="give a number such as 50 or 19.99")
    exact *= _scale(unit.lower(), currency)
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _scale(unit: str, currency: str) -> Decimal:
    if unit in ("cents", "minor") and currency:
        return Decimal(10) ** CURRENCY_DECIMALS.get("JPY" if currency == "¥" else currency, 2)
    return SCALES.get(unit, Decimal(1))


def from_wire(value: int | float, unit: str) -> int | float:
    """Return a value of an answer in people's units: from_wire(50000000, "micros") -> 50."""
    exact = Decimal(str(value)) / SCALES.get(unit.lower(), Decimal(1))
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def parse_amount(text: str, unit: str) -> int | float | None:
    """Return a text with its unit ("$50") in the wire's `unit`; None where it has no unit that fits."""
    if unit not in SCALES:
        return None
    unit_pattern = UNIT_PATTERNS.get(unit, CURRENCY_PATTERN)
    before = "" if unit in UNIT_PATTERNS else f"(?P<before>{unit_pattern})?"
    match = re.fullmatch(rf"\s*{before}\s*(?P<number>{NUMBER_PATTERN})\s*(?P<after>{unit_pattern})?\s*", text)
    currency = match and (match.groupdict().get("before") or match["after"])
    return to_wire(match["number"], unit, currency) if match and currency else None


def amount_schema(schema: dict[str, Any], unit: str) -> dict[str, object]:
    """Return the schema of an amount for a model: a number in wire units, or a text with its unit."""
    if unit not in SCALES:
        return schema
    kinds = {"integer", "number", "string"}.intersection(schema_types(schema))
    human_unit, example = HUMAN_UNITS.get(unit, ("unit of the currency", "$50"))
    note = f"A number is in {unit.replace('_', ' ')}: {SCALES[unit]:,f} to one {human_unit}"
    note += f'; a text carries its unit: "{example}".' if kinds else "."
    result = {**schema, "description": f"{schema.get('description', '').strip()} {note}".strip()}
    if kinds and "string" not in kinds:
        result["type"] = [*([schema["type"]] if isinstance(schema["type"], str) else schema["type"]), "string"]
        result["pattern"] = _amount_pattern(unit)
    return result


def _amount_pattern(unit: str) -> str:
    unit_pattern = UNIT_PATTERNS.get(unit, CURRENCY_PATTERN)
    after = rf"{NUMBER_PATTERN}\s*(?:{unit_pattern})"
    return rf"^(?:{after})$" if unit in UNIT_PATTERNS else rf"^(?:(?:{unit_pattern})\s*{NUMBER_PATTERN}|{after})$"


RATES: Mapping[str, frozenset[str]] = {
    short: frozenset(map(stem, words.split()))
    for short, words in {
        "rps": "request second",
        "qps": "query request second",
        "rpm": "request minute",
        "tps": "transaction second",
        "tpm": "token minute",
    }.items()
}
"""Abbreviations of rates, with the stems of what they count and in what time."""
