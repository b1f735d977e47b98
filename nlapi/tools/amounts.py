"""Reads the amounts among the arguments of a call, converts those that carry their unit, and says what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nlapi.client.safe_text import single_line
from nlapi.errors import ArgumentError
from nlapi.openapi.model import as_map
from nlapi.openapi.spec import Spec
from nlapi.resources.schemas import schema_types
from nlapi.tools.arguments import MAX_VALUE_DEPTH, argument_schema, combined_schemas, property_schema
from nlapi.tools.tool import Call, Tool
from nlapi.tools.unit_evidence import read_unit
from nlapi.tools.units import CURRENCIES, Dimension, WireUnit, parse_amount, spoken_amount
from nlapi.tools.value_format import CURRENCY_FIELDS

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

    return _visit_values(tool, arguments, convert)


def schema_to_wire_units(name: str, schema: object, value: Any) -> Any:
    """Return a value that belongs to no operation, as an input of a workflow, with its amounts in wire units.

    Objects are read by the properties of their own schema. ArgumentError as `to_wire_units` raises it.
    """
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, Mapping):
        properties = as_map(schema.get("properties"))
        return {key: schema_to_wire_units(str(key), properties.get(key), item) for key, item in value.items()}
    unit = read_unit(name, [schema]) if isinstance(value, str) else None
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

    _visit_values(tool, arguments, collect)
    yield from amounts


def _visit_values(tool: Tool, arguments: Mapping[str, object], visit: _Visit) -> dict[str, object]:
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
        unit = None if value is None or isinstance(value, bool) else read_unit(spot.name, parts, spot.description)
        if unit is not None and unit.dimension is Dimension.MONEY and not unit.currency:
            unit = replace(unit, currency=spot.currency)
        return self.visit(spot.path, parts, unit, value)
