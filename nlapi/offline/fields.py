"""The fields of the things in an answer: what they are called, which unit they are in, and how a person reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from nlapi.offline.items import Item, id_of, name_of
from nlapi.openapi.spec import Operation
from nlapi.resources.naming import pieces, singular, stem
from nlapi.tools.units import from_wire, unit_of

SILENT = frozenset(map(stem, "id at on date time micros micro amount value count number is has".split()))
"""Stems in the name of a field that nobody says when they ask for it."""
_CURRENCIES = ("currency", "currency_code", "currencyCode")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def flat(thing: Item) -> dict[str, Any]:
    """The fields of a thing, those of the objects in it too: metrics.clicks."""
    found: dict[str, Any] = {}
    for key, value in thing.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": one for inner, one in value.items() if not isinstance(one, Mapping)}
        else:
            found[str(key)] = value
    return found


def stems_of(key: str) -> frozenset[str]:
    """The stems by which people ask for a field: daily_budget_micros -> daily budget."""
    words = frozenset(map(stem, pieces(key)))
    return words - SILENT or words


def spaced(key: str) -> str:
    """How a field is called in a sentence."""
    return " ".join(word for word in pieces(key.rpartition(".")[2]) if word not in ("micros", "micro"))


def plain(value: Any) -> bool:
    """May a value stand in a sentence?"""
    return isinstance(value, (str, int, float, bool)) and value != "" and len(str(value)) <= 80


def number(value: Any) -> float | int | None:
    """The number that a value is, written as text or not."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    return None


def dated(value: Any) -> bool:
    return isinstance(value, str) and (_DAY.fullmatch(value) or _MOMENT.fullmatch(value)) is not None


def shown(operation: Operation, key: str, value: Any, thing: Item | None = None) -> str:
    """A value as a person reads it: money in the currency, moments to the minute, yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    amount = number(value) if not isinstance(value, str) else None
    if amount is not None:
        return _amount(operation, key, amount, thing)
    return _moment(value) if isinstance(value, str) else str(value)


def _amount(operation: Operation, key: str, amount: float, thing: Item | None) -> str:
    unit = unit_at(operation, key)
    if not unit:
        whole = round(amount, 2) if isinstance(amount, float) else amount
        return f"{whole:,}" if abs(whole) >= 10_000 else str(whole)
    said = from_wire(amount, unit)
    text = f"{said:,}" if isinstance(said, int) else f"{said:,.2f}"
    if unit in ("fraction", "basis_points"):
        return f"{said:g}%"
    if unit == "milliseconds":
        return f"{said:g} s"
    currency = next((str(thing[name]) for name in _CURRENCIES if thing and thing.get(name)), "")
    return f"{text} {currency}" if currency else text


def _moment(text: str) -> str:
    if not _MOMENT.fullmatch(text):
        return text
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
    offset = moment.utcoffset()
    zone = "" if offset is None else " UTC" if offset == timedelta() else f" {text[-6:]}"
    return f"{moment:%Y-%m-%d %H:%M}{zone}"


def unit_at(operation: Operation, key: str) -> str:
    """The wire unit of a field of the answer, by the schema of the answer, else by the field's name."""
    schema = schema_at(operation, key)
    if schema is not None and (unit := unit_of(schema)):
        return unit
    return "micros" if "micro" in {singular(word) for word in pieces(key)} else ""


def schema_at(operation: Operation, key: str) -> Mapping[str, Any] | None:
    """The schema of a field of what an operation answers, or of the things that it lists; None when there is none."""
    for inner in _objects(operation):
        schema: Any = {"properties": inner}
        for step in key.split("."):
            properties = _properties(operation, schema)
            schema = operation.spec.follow(properties.get(step)) if step in properties else None
            if schema is None:
                break
        if isinstance(schema, Mapping):
            return schema
    return None


def part_of(operation: Operation, kind: Sequence[str]) -> str:
    """The field, in the singular, that holds a thing of a kind in what an operation answers; "" when none does."""
    for inner in _objects(operation):
        for key, schema in inner.items():
            if tuple(map(stem, pieces(key))) == tuple(kind) and _holds(operation, schema):
                return singular(key.lower())
    return ""


def _objects(operation: Operation) -> Iterator[Mapping[str, Any]]:
    """The properties of the answer, and of the things in its lists and envelopes."""
    response = operation.response()
    if response is None or not response.media:
        return
    schemas = [response.media[0].schema]
    for _ in range(3):
        following: list[Any] = []
        for schema in schemas:
            known = operation.spec.follow(schema)
            if not isinstance(known, Mapping):
                continue
            properties = _properties(operation, known)
            if properties:
                yield properties
            following += [known["items"]] if "items" in known else []
            following += [one for one in properties.values() if _holds(operation, one)]
        schemas = following


def _properties(operation: Operation, schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        return {}
    found = dict(schema.get("properties") or {})
    for part in schema.get("allOf") or ():
        found |= _properties(operation, operation.spec.follow(part))
    return found


def _holds(operation: Operation, schema: Any) -> bool:
    known = operation.spec.follow(schema)
    return isinstance(known, Mapping) and ("items" in known or "properties" in known)


def noun(operation: Operation) -> str:
    """What an operation answers with, for one: ad set."""
    words = _last_words(operation) or ["result"]
    return " ".join((*words[:-1], singular(words[-1])))


def plural(operation: Operation) -> str:
    return " ".join(_last_words(operation)) or "results"


def _last_words(operation: Operation) -> list[str]:
    """The last words of the path that name something: in /objectives/{objective}/[resolve] the operation's own verb
    does not."""
    literal = [segment for segment in operation.path.split("/") if segment and "{" not in segment]
    if not literal:
        return []
    words = pieces(literal[-1])
    verb = words == pieces(operation.id)[:1] and singular(words[0]) == words[0]
    return pieces(literal[-2]) if verb and operation.path.endswith(f"}}/{literal[-1]}") and literal[1:] else words


def counted(count: int, operation: Operation) -> str:
    return f"1 {noun(operation)}" if count == 1 else f"{count:,} {plural(operation)}"


def label(operation: Operation, thing: Item) -> str:
    """The campaign Back to School (cmp_1)."""
    name, id = name_of(thing), id_of(thing)
    parts = ["The", noun(operation), *([name] if name else []), *([f"({id})"] if id is not None and name else [])]
    if id is not None and not name:
        parts.append(str(id))
    return " ".join(parts)


def called(thing: Item, things: Sequence[Item] = ()) -> str:
    """A thing by its name, with its id where others have the same name; else by its id."""
    name, id = name_of(thing), id_of(thing)
    if not name:
        return str(id) if id is not None else "one without a name"
    return f"{name} ({id})" if sum(name_of(one) == name for one in things) > 1 and id is not None else name
