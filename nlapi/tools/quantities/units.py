"""The conversion of amounts between the units that people use and those of an API (micros, milliseconds, basis points).

Inside nlapi a number is always in wire units. An amount in people's units is a text that carries its unit: "$50", "50
EUR", "12.5%", "90 s". So nothing is converted twice, whoever made the call. See docs/design/006-units.md and 082.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from nlapi.client.safe_text import single_line
from nlapi.english import lexicon
from nlapi.english.words import stem
from nlapi.errors import ArgumentError
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import SCALES as SCALES
from nlapi.openapi.spec import UNIT_SIZES, Spec, as_map, read_hints
from nlapi.resources.schemas import schema_types
from nlapi.tools.arguments import MAX_VALUE_DEPTH, argument_schema, combined_schemas, property_schema
from nlapi.tools.tool import Call, Tool


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

# The unit that people use where it is not a currency, with an example.
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
_NUMBER_AND_UNIT = lazy_pattern(rf"\s*(?P<number>{NUMBER_PATTERN})\s*(?P<unit>[^\W\d_]+|%|per cent)\s*")


def unit_of(*schemas: Mapping[str, object]) -> str:
    """Return the wire unit that `x-nlapi: {unit: ...}` of a schema or of a parameter names; "" for none."""
    return next((unit for schema in schemas if (unit := read_hints(schema).unit)), "")


def to_wire(amount: int | float | str | Decimal, unit: str, currency: str = "") -> int | float:
    """Return `amount` in people's units ("50", 19.99) in the wire's `unit`: to_wire(50, "micros") -> 50000000.

    An unknown unit changes nothing. Some currencies have no hundredths: to_wire(500, "cents", "JPY") is 500.
    A whole number is returned as int. ArgumentError when `amount` is not a finite number.
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
        raise ArgumentError(f"{text.strip()!r} is not a whole number of {unit.label}", hint=f"give whole {unit.label}")
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
    """Return a clause for a reader of arguments: the unit of a number, and how to write an amount with its unit."""
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


_Parts = tuple[Mapping[str, Any], ...]
# Called with the dotted name of a value, the schemas that it has to fit, its unit, if known, and the value.
_Visit = Callable[[str, _Parts, WireUnit | None, Any], Any]

# Levels of objects in which units are looked for.
MAX_UNIT_DEPTH = 2

# Amounts that a preview explains.
MAX_NOTES = 12


def tool_units(tool: Tool) -> dict[str, WireUnit]:
    """Return the units of a tool's values by their dotted names, those inside of objects and lists included."""
    spec = tool.operation.spec
    units: dict[str, WireUnit] = {}
    for name in tool.places:
        schema = argument_schema(tool, name)
        if unit := _unit_of(spec, schema, _wire_name(tool, name), _stated_description(tool, name)):
            units[name] = unit
        else:
            units |= _inner_units(spec, schema, name, 1)
    return units


def _inner_units(spec: Spec, schema: object, path: str, depth: int) -> dict[str, WireUnit]:
    units: dict[str, WireUnit] = {}
    for part in combined_schemas(spec, schema, any_of=True) if depth <= MAX_UNIT_DEPTH else ():
        for name, inner in as_map(part.get("properties")).items():
            if unit := _unit_of(spec, inner, name, ""):
                units[f"{path}.{name}"] = unit
            else:
                units |= _inner_units(spec, inner, f"{path}.{name}", depth + 1)
        if isinstance(part.get("items"), Mapping):
            units |= _inner_units(spec, part["items"], path, depth)
    return units


def _unit_of(spec: Spec, schema: object, name: str, description: str) -> WireUnit | None:
    parts = list(combined_schemas(spec, schema, any_of=True))
    for _ in range(2):
        items = [part["items"] for part in parts if "items" in part and "array" in schema_types(part)]
        if not items:
            break
        description = " ".join([description, *(str(part.get("description") or "") for part in parts)]).strip()
        parts = list(combined_schemas(spec, items[0], any_of=True))
    return _read_unit(name, parts, description)


def _read_unit(name: str, parts: Sequence[Mapping[str, Any]], description: str = "") -> WireUnit | None:
    # Its patterns take 7 ms to compile, and most calls have no argument with a unit.
    from nlapi.tools.quantities.unit_evidence import read_unit

    return read_unit(name, parts, description)


def _wire_name(tool: Tool, name: str) -> str:
    return tool.places.get(name, ("body", name))[1] or name


def _stated_description(tool: Tool, name: str) -> str:
    return str(as_map(tool.input_schema["properties"].get(name)).get("description", ""))


def to_wire_units(tool: Tool, arguments: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments with every amount that is a text with its unit as a number in wire units.

    A whole number that a model wrote as `2.0` becomes `2` where the description has an integer. ArgumentError where an
    amount is in another currency than the API or another argument states, or has no sure number.
    """

    def convert(name: str, parts: _Parts, unit: WireUnit | None, value: Any) -> Any:
        for part in parts:
            types = schema_types(part)
            if isinstance(value, float) and value.is_integer() and "integer" in types and "number" not in types:
                value = int(value)
        return value if unit is None else _wire_amount(name, parts, unit, value)

    return visit_values(tool, arguments, convert)


def schema_to_wire_units(name: str, schema: object, value: Any) -> Any:
    """Return a value that belongs to no operation, as an input of a workflow, with its amounts in wire units.

    Objects are read by their schema's properties. ArgumentError as `to_wire_units` raises it.
    """
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, Mapping):
        properties = as_map(schema.get("properties"))
        return {key: schema_to_wire_units(str(key), properties.get(key), item) for key, item in value.items()}
    unit = _read_unit(name, (schema,)) if isinstance(value, str) else None
    return value if unit is None else _wire_amount(name, (schema,), unit, value)


def _wire_amount(name: str, parts: _Parts, unit: WireUnit, value: Any) -> Any:
    """Return a text with its unit as a number in units of the wire; any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        number = parse_amount(value, unit)
    except ArgumentError as error:
        raise ArgumentError(f"{single_line(name)}: {error.message}", hint=error.hint) from None
    if number is None:
        return value
    return str(number) if any("string" in schema_types(part) for part in parts) else number


def _currency_in(values: Mapping[str, object], otherwise: str) -> str:
    """Return the currency that an object states beside its amounts, as `currency: "EUR"`; else that around it."""
    stated = (values.get(name) for name in CURRENCY_FIELDS)
    codes = (value.upper() for value in stated if isinstance(value, str))
    return next((code for code in codes if code in CURRENCIES), otherwise)


def amount_notes(call: Call) -> list[str]:
    """Return a line for each amount of a call as its caller wrote it: what is sent for it, and what that means.

    `bid: 15 USD -> 15000000 micros`, and `bid: 15 micros = 0.000015 of the currency` for a bare number.
    """
    notes: list[str] = []
    numbers = {path: number for path, _, number in _amounts(call.tool, to_wire_units(call.tool, call.arguments))}
    for name, unit, value in _amounts(call.tool, call.arguments):
        if isinstance(value, str):
            number = numbers.get(name, value)
            if number != value:
                notes.append(single_line(f"{name}: {value} -> {number} {unit.label}"))
        elif isinstance(value, int | float) and _needs_note(unit) and (text := spoken_amount(value, unit)):
            notes.append(single_line(f"{name}: {text}"))
    return notes[:MAX_NOTES]


def _needs_note(unit: WireUnit) -> bool:
    """Return whether a bare number may be taken for an amount as people say it: 15 in micros, 5 in basis points."""
    return (unit.dimension in (Dimension.MONEY, Dimension.SHARE) and unit.size != 1) or unit.name == "milliseconds"


def _amounts(tool: Tool, arguments: Mapping[str, object]) -> Iterator[tuple[str, WireUnit, Any]]:
    """Yield the values that have a unit, by their dotted names."""
    amounts: list[tuple[str, WireUnit, Any]] = []

    def collect(name: str, parts: _Parts, unit: WireUnit | None, value: Any) -> Any:
        if unit is not None:
            amounts.append((name, unit, value))
        return value

    visit_values(tool, arguments, collect)
    yield from amounts


def visit_values(tool: Tool, arguments: Mapping[str, object], visit: _Visit) -> dict[str, object]:
    """Return the arguments with `visit` applied to every plain value, nested ones included."""
    # The description's schemas are read and not `input_schema`, where a wire unit is only a pattern and a sentence.
    walk = _Walk(tool.operation.spec, visit)
    currency = _currency_in(arguments, "")
    return {
        name: walk.value(
            argument_schema(tool, name),
            value,
            _Spot(
                path=name, name=_wire_name(tool, name), description=_stated_description(tool, name), currency=currency
            ),
        )
        for name, value in arguments.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """The place of a value in a call: its dotted `path`, and what states its unit and its currency."""

    path: str
    name: str
    description: str = ""
    currency: str = ""
    depth: int = 0


class _Walk:
    """The walk through the values of one call."""

    def __init__(self, spec: Spec, visit: _Visit) -> None:
        self.spec = spec
        self.visit = visit

    def value(self, schema: object, value: Any, spot: _Spot) -> Any:
        """Return a value with the visitor applied."""
        schema = self.spec.follow(schema)
        if not isinstance(schema, Mapping) or spot.depth > MAX_VALUE_DEPTH:
            return value
        if isinstance(value, Mapping):
            currency = _currency_in(value, spot.currency)
            return {
                key: self.value(
                    property_schema(self.spec, schema, key),
                    item,
                    _Spot(path=f"{spot.path}.{key}", name=str(key), currency=currency, depth=spot.depth + 1),
                )
                for key, item in value.items()
            }
        parts = tuple(combined_schemas(self.spec, schema, any_of=True))
        if isinstance(value, list):
            items: Any = next((part["items"] for part in parts if "items" in part), {})
            texts = " ".join([spot.description, *(str(part.get("description") or "") for part in parts)]).strip()
            inner = replace(spot, description=texts, depth=spot.depth + 1)
            return [
                self.value(items, item, replace(inner, path=f"{spot.path}[{index}]"))
                for index, item in enumerate(value)
            ]
        unit = None if value is None or isinstance(value, bool) else _read_unit(spot.name, parts, spot.description)
        if unit is not None and unit.dimension is Dimension.MONEY and not unit.currency:
            unit = replace(unit, currency=spot.currency)
        return self.visit(spot.path, parts, unit, value)
