"""The conversion of amounts between the units that people use and those of an API (micros, milliseconds, basis points).

Inside nlapi a number is always in wire units. An amount in people's units is a text that carries its unit: "$50", "50
EUR", "12.5%", "90 s". So nothing is converted twice, whoever made the call. See docs/design/006-units.md and 082.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cache
from typing import Any

from nlapi.english import lexicon
from nlapi.english.words import stem
from nlapi.errors import ArgumentError
from nlapi.openapi.hints import SCALES as SCALES
from nlapi.openapi.hints import UNIT_SIZES, read_hints
from nlapi.resources.schemas import schema_types


class Dimension(StrEnum):
    """The kind of quantity of a unit. The bases are a unit of the currency, a second, a byte, a per cent."""

    MONEY = "money"
    TIME = "time"
    DATA = "data"
    SHARE = "share"


class UnitEvidence(StrEnum):
    """The source of what is known of a unit: `x-nlapi`, the name of the value, its description, its bounds."""

    HINT = "x-nlapi"
    NAME = "name"
    TEXT = "text"
    BOUNDS = "bounds"


_SIZES = {Dimension(dimension): sizes for dimension, sizes in UNIT_SIZES.items()}
_DIMENSIONS = {name: dimension for dimension, sizes in _SIZES.items() for name in sizes}
# Names of `x-nlapi` are read without their case.
_NAMES = {name.lower(): name for name in _DIMENSIONS}


@dataclass(frozen=True, slots=True, kw_only=True)
class WireUnit:
    """The unit of the numbers of an argument.

    `currency` is the code of ISO 4217 where the description states one; `words` are those of the description from which
    the unit is read.
    """

    name: str
    evidence: UnitEvidence
    words: str = ""
    currency: str = ""

    @property
    def dimension(self) -> Dimension:
        return _DIMENSIONS[self.name]

    @property
    def size(self) -> Decimal:
        """The size of one of it in the base of its dimension."""
        return Decimal(_SIZES[self.dimension][self.name])

    @property
    def label(self) -> str:
        """The name of the unit in a text: `basis points`, `minor units`."""
        if self.name == "units":
            return self.currency or "units of the currency"
        return "minor units" if self.name == "minor" else self.name.replace("_", " ")


def stated_unit(name: str) -> WireUnit | None:
    """Return the unit that `x-nlapi: {unit: ...}` names; None for one that is not known."""
    unit = _NAMES.get(name.lower())
    return WireUnit(name=unit, evidence=UnitEvidence.HINT) if unit else None


CURRENCIES = lexicon.words("tools/words", "currencies")
"""The codes of currencies of ISO 4217."""

# Currencies that a sign may stand for.
_SIGNS: Mapping[str, frozenset[str]] = {
    "$": frozenset("USD AUD CAD NZD SGD HKD MXN TWD ARS CLP COP BRL JMD".split()),
    "€": frozenset(("EUR",)),
    "£": frozenset(("GBP", "EGP", "GIP", "FKP", "SHP")),
    "¥": frozenset(("JPY", "CNY")),
}
CURRENCY_PATTERN = r"[$€£¥]|[A-Z]{3}"
# Pattern of the unit behind a number in the schema of a tool; for a unit that is not listed it is a currency. A number
# without a unit is refused and not guessed at: "50" may be dollars or micros.
UNIT_PATTERNS = {
    **dict.fromkeys(_SIZES[Dimension.SHARE], "%"),
    **dict.fromkeys(_SIZES[Dimension.TIME], r"[a-z]+"),
    **dict.fromkeys(_SIZES[Dimension.DATA], r"[A-Za-z]+"),
    "milliseconds": r"s|sec|seconds?|ms|min|minutes?|h|hours?",
}

# The unit that people use where it is no currency, with an example.
HUMAN_UNITS = {
    **dict.fromkeys(_SIZES[Dimension.TIME], ("second", "90 s")),
    **dict.fromkeys(_SIZES[Dimension.DATA], ("byte", "10 GB")),
    "fraction": ("per cent", "12.5%"),
    "percent": ("per cent", "12.5%"),
    "basis_points": ("per cent", "2%"),
}

NUMBER_PATTERN = "-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:[.][0-9]+)?"

# Names of the fields that state the currency of the amounts beside them.
CURRENCY_FIELDS = ("currency", "currency_code", "currencyCode")

# Decimal places of currencies whose smallest unit is not a hundredth (ISO 4217).
CURRENCY_DECIMALS = {
    **dict.fromkeys("BIF CLP DJF GNF JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}

# Names of units behind a number, in lower case. `m` is a minute, as in the durations of Go and systemd.
_TIME_NAMES = {name: Decimal(size) for name, size in lexicon.by_word("tools/words", "time_sizes").items()}
_DECIMAL_DATA = {"b": "bytes", "byte": "bytes", "kilobyte": "KB", "megabyte": "MB", "gigabyte": "GB", "terabyte": "TB"}
_DATA_NAMES: Mapping[str, str] = {
    **{name.lower(): name for name in _SIZES[Dimension.DATA]},
    **_DECIMAL_DATA,
    **{f"{name}s": unit for name, unit in _DECIMAL_DATA.items() if len(name) > 1},
}
_SHARES = {"%": Decimal(1), "percent": Decimal(1), "per cent": Decimal(1), "bps": Decimal("0.01")}
_NUMBER_AND_UNIT = re.compile(rf"\s*(?P<number>{NUMBER_PATTERN})\s*(?P<unit>[^\W\d_]+|%|per cent)\s*")


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
    return _plain_number(exact * _scale(unit.lower(), currency))


def _plain_number(exact: Decimal) -> int | float:
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _scale(unit: str, currency: str) -> Decimal:
    if unit in ("cents", "minor") and currency:
        return Decimal(10) ** CURRENCY_DECIMALS.get("JPY" if currency == "¥" else currency, 2)
    return SCALES.get(unit, Decimal(1))


def from_wire(value: int | float, unit: str, currency: str = "") -> int | float:
    """Return a value of an answer in people's units: from_wire(50000000, "micros") -> 50.

    from_wire(500, "cents", "JPY") is 500, as `to_wire` has it.
    """
    return _plain_number(Decimal(str(value)) / _scale(unit.lower(), currency))


def parse_amount(text: str, unit: WireUnit) -> int | float | None:
    """Return a text with its unit ("$50", "90 s", "10 GB") in the unit of the wire; None where it has none that fits.

    ArgumentError when the unit fits and the amount has no sure meaning there: another currency than the stated one, or
    "2 GB" where the wire has MB, which may be 2,000 or 2,048.
    """
    if unit.dimension is Dimension.MONEY:
        return _money(text, unit)
    if unit.dimension is Dimension.TIME:
        return _duration(text, unit)
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None:
        return None
    number, name = Decimal(match["number"].replace(",", "")), match["unit"]
    if unit.dimension is Dimension.SHARE:
        share = _SHARES.get(name.lower())
        return None if share is None else _plain_number(number * share / unit.size)
    return _data_size(text, number, name, unit)


def _money(text: str, unit: WireUnit) -> int | float | None:
    before = rf"(?P<before>{CURRENCY_PATTERN})?"
    match = re.fullmatch(rf"\s*{before}\s*(?P<number>{NUMBER_PATTERN})\s*(?P<after>{CURRENCY_PATTERN})?\s*", text)
    if match is None:
        own = re.fullmatch(rf"\s*({NUMBER_PATTERN})\s*{unit.name.rstrip('s')}s?\s*", text, re.IGNORECASE)
        is_own = own is not None and unit.name not in ("units", "minor")
        return _plain_number(Decimal(own[1].replace(",", ""))) if own is not None and is_own else None
    currency = match["before"] or match["after"] or ""
    if not currency or (match["before"] and match["after"]) or (len(currency) == 3 and currency not in CURRENCIES):
        return None
    if unit.currency and unit.currency not in _SIGNS.get(currency, {currency}):
        hint = f"give it in {unit.currency}: nothing is exchanged"
        raise ArgumentError(f"{text.strip()!r} is not in {unit.currency}, which the API takes here", hint=hint)
    # "In cents" may mean hundredths or the smallest unit, which differ for such a currency.
    decimals = CURRENCY_DECIMALS.get("JPY" if currency == "¥" else currency, 2)
    if unit.name == "cents" and unit.evidence is not UnitEvidence.HINT and decimals != 2:
        hint = "give the number that the API wants"
        raise ArgumentError(f"{text.strip()!r} has no cents, in which the API takes it", hint=hint)
    return to_wire(match["number"], unit.name, currency)


def _duration(text: str, unit: WireUnit) -> int | float | None:
    """Return a duration in one unit or several: "90 s", "1h 30m"."""
    parts = re.findall(rf"({NUMBER_PATTERN})\s*([^\W\d_]+)", text)
    if not parts or re.sub(rf"{NUMBER_PATTERN}\s*[^\W\d_]+", "", text).strip(" ,"):
        return None
    # A capital M is a month to many.
    sizes = [None if name == "M" else _TIME_NAMES.get(name.lower()) for _, name in parts]
    readable = [size for size in sizes if size is not None]
    if len(readable) != len(sizes) or readable != sorted(set(readable), reverse=True):
        return None
    total = sum(Decimal(number.replace(",", "")) * size for (number, _), size in zip(parts, readable, strict=True))
    exact = Decimal(total) / unit.size
    if unit.evidence is not UnitEvidence.HINT and exact != exact.to_integral_value() and unit.size >= 1:
        raise ArgumentError(f"{text.strip()!r} is no whole number of {unit.label}", hint=f"give whole {unit.label}")
    return _plain_number(exact)


def _data_size(text: str, number: Decimal, name: str, unit: WireUnit) -> int | float | None:
    said = _DATA_NAMES.get(name.lower())
    if said is None:
        return None
    # GB is 10^9 bytes by the standard and 2^30 in much usage; only where both say the same is a number sure.
    is_binary = (said.endswith("iB"), unit.name.endswith("iB"))
    if said != unit.name and unit.name != "bytes" and is_binary != (True, True):
        hint = f"give the number of {unit.label}"
        raise ArgumentError(f"{text.strip()!r} is not one sure number of {unit.label}", hint=hint)
    return _plain_number(number * Decimal(_SIZES[Dimension.DATA][said]) / unit.size)


def spoken_amount(value: int | float, unit: WireUnit) -> str:
    """Return a number on the wire as people say it: `15 micros = 0.000015 USD`; "" where it says nothing more."""
    if unit.size == 1:
        return f"{value:,} {unit.label}" if unit.name != "units" or unit.currency else ""
    base = Decimal(str(value)) * unit.size
    plain = f"{base.normalize():,f}"
    # A currency without hundredths makes another amount of the same number.
    noun = {
        Dimension.MONEY: unit.currency or "of the currency",
        Dimension.TIME: "s",
        Dimension.DATA: "bytes",
        Dimension.SHARE: "%",
    }[unit.dimension]
    number = f"{value:,}" if unit.name != "fraction" else str(value)
    return f"{number} {unit.label} = {plain}{'' if noun == '%' else ' '}{noun}"


def unit_clause(unit: WireUnit) -> str:
    """Return a clause for a reader of arguments: the unit of a number, and how an amount is said with its unit."""
    currency = f" of {unit.currency}" if unit.currency and unit.name != "units" else ""
    return f"{unit.label}{currency}: `'{unit_example(unit)}'` or a number of {unit.label}"


def unit_example(unit: WireUnit) -> str:
    """Return an amount as people say it for an argument in this unit."""
    if unit.dimension is Dimension.MONEY:
        return f"15 {unit.currency or 'USD'}"
    if unit.dimension is Dimension.DATA:
        return "10 GB" if unit.name == "bytes" else f"10 {unit.name}"
    if unit.dimension is Dimension.SHARE:
        return "12.5%" if unit.name != "percent" else "12%"
    return {"days": "2 days", "weeks": "2 weeks", "hours": "2h", "minutes": "2h"}.get(unit.name, "90s")


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


RATES = {short: frozenset(map(stem, words.split())) for short, words in lexicon.table("tools/words", "rates").items()}
"""Abbreviations of rates, with the stems of what they count and in what time."""


_PREFIXES = {"p": 1e-12, "n": 1e-9, "µ": 1e-6, "μ": 1e-6, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
_PREFIXED = frozenset(("capacitance", "inductance", "resistance", "frequency", "voltage", "power", "energy", "current"))
_LONGEST_SYMBOL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit; `factor` is one of it in the base of its dimension (seconds, meters, grams, bytes, else SI)."""

    dimension: str
    factor: float


@cache
def _units() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for dimension, factor, _, *names in lexicon.lines("english/units", "names"):
        for name in names:
            units[name] = Unit(dimension=dimension, factor=float(factor))
            if dimension in _PREFIXED and len(name) <= _LONGEST_SYMBOL:
                for prefix, times in _PREFIXES.items():
                    units[prefix + name] = Unit(dimension=dimension, factor=float(factor) * times)
    return units


def find_unit(word: str) -> Unit | None:
    """Return the unit that a word names; capitals count in the symbols of electricity (mH, MH)."""
    units = _units()
    if word in units:
        return units[word]
    lower = units.get(word.lower())
    return None if lower is not None and lower.dimension in _PREFIXED and len(word) <= _LONGEST_SYMBOL else lower
