"""Parses parameters by their style and the type of their schema; OpenAPI 3.1.1 §4.8.12.3 and RFC 6570.

A delimiter separates values only where it is not percent-encoded, except that spaces and pipes are always encoded.
It shares no code with nlapi.client, so that it is an independent check of the requests that nlapi builds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_plus

from nlapi.openapi.spec import Parameter
from nlapi.sandbox.problem import Fault, RequestProblem, unprocessable
from nlapi.sandbox.schemas import Schemas

# JSON's grammar of numbers (RFC 8259 §6): `007` and `+5` stay texts, as ids and phone numbers.
INTEGER = re.compile(r"-?(0|[1-9]\d*)")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
BOOLEANS = {"true": True, "false": False}

# The value of an absent parameter; None is JSON null.
MISSING: object = object()

SPLITTERS = {
    "form": re.compile(","),
    "pipeDelimited": re.compile(r"\||%7C", re.IGNORECASE),
    "spaceDelimited": re.compile(r"%20|\+"),
    "tabDelimited": re.compile(r"\t|%09"),
}
# Delimiters in a header, where nothing is percent-encoded; a comma for every other style. tabDelimited is Swagger
# 2.0's `tsv`.
HEADER_DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}

BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def coerce(text: str, schema: object, schemas: Schemas) -> object:
    """Return the first reading of a text that fits the schema, else the text itself, which the check then refuses."""
    readings = list(_readings(text, schemas.types(schema)))
    if len(readings) == 1:
        return readings[0]
    return next((reading for reading in readings if schemas.valid(schema, reading, "write")), text)


def _readings(text: str, types: tuple[str, ...]) -> Iterator[object]:
    if "integer" in types and INTEGER.fullmatch(text):
        yield int(text)
    elif "number" in types and NUMBER.fullmatch(text):
        yield int(text) if INTEGER.fullmatch(text) else float(text)
    if "boolean" in types and text in BOOLEANS:
        yield BOOLEANS[text]
    if "null" in types and text == "null":
        yield None
    if {"object", "array"} & set(types) and text[:1] in ("{", "["):
        # No style defines an object inside an array in a URL; clients write JSON.
        with suppress(ValueError):
            yield json.loads(text)
    yield text


def _coerce_array(texts: Sequence[str], schema: object, schemas: Schemas) -> list[object]:
    items = _subschema(schema, "items", schemas)
    return [coerce(text, items, schemas) for text in texts]


def _coerce_object(pairs: Mapping[str, object], schema: object, schemas: Schemas) -> dict[str, object]:
    """Return texts, lists and maps by property name as an object with the types of its schema."""
    return {name: coerce_tree(value, _property_schema(schema, name, schemas), schemas) for name, value in pairs.items()}


def coerce_tree(value: object, schema: object, schemas: Schemas) -> object:
    """Return the value of nested maps and lists of texts, the form of bracketed names."""
    if isinstance(value, Mapping):
        # `a[0]=x&a[1]=y` and `a[]=x&a[]=y` are both in use for lists.
        if "array" in schemas.types(schema) and value and all(key.isdecimal() for key in value):
            value = [value[key] for key in sorted(value, key=int)]
        elif "array" in schemas.types(schema) and set(value) == {""}:
            value = value[""] if isinstance(value[""], list) else [value[""]]
        else:
            return _coerce_object(value, schema, schemas)
    types = schemas.types(schema)
    if isinstance(value, list):
        items = _subschema(schema, "items", schemas)
        return [coerce_tree(item, items, schemas) for item in value]
    if "array" in types and "string" not in types and isinstance(value, str):
        return _coerce_array([value], schema, schemas)
    return coerce(value, schema, schemas) if isinstance(value, str) else value


def _subschema(schema: object, key: str, schemas: Schemas) -> object:
    flat = schemas.flat(schema)
    for branch in (flat, *schemas.branches(flat)):
        if isinstance(branch.get(key), Mapping):
            return branch[key]
    return {}


def _property_schema(schema: object, name: str, schemas: Schemas) -> object:
    described = schemas.properties(schema)
    return described[name] if name in described else _subschema(schema, "additionalProperties", schemas)


@dataclass(slots=True, kw_only=True)
class QueryPairs:
    """The pairs of a query or form in order, with decoded names and raw values; `used` are positions already read."""

    pairs: Sequence[tuple[str, str]]
    used: set[int] = field(default_factory=set)

    def take(self, name: str) -> list[str]:
        """Return the raw values of a name, and mark them as used."""
        positions = [position for position, (key, _) in enumerate(self.pairs) if key == name]
        self.used.update(positions)
        return [self.pairs[position][1] for position in positions]

    @property
    def unused(self) -> list[str]:
        return [name for position, (name, _) in enumerate(self.pairs) if position not in self.used]


def split_pairs(text: str) -> QueryPairs:
    """Return the pairs of a raw query string or an urlencoded body."""
    split = [part.partition("=") for part in text.split("&") if part]
    return QueryPairs(pairs=[(percent_decode(name), value) for name, _, value in split])


def percent_decode(raw: str, *, plus: bool = True) -> str:
    """Return percent-decoded text; RequestProblem 400 for a stray percent sign or bytes that are not UTF-8."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", raw):
        raise RequestProblem(400, f"{raw[:80]!r} has a percent sign that encodes nothing")
    try:
        return (unquote_plus if plus else unquote)(raw, errors="strict")
    except UnicodeDecodeError:
        raise RequestProblem(400, f"{raw[:80]!r} is not percent-encoded UTF-8") from None


def wire_shape(schema: object, schemas: Schemas) -> str:
    """Return the layout of a schema's values on the wire: "array", "object" or "primitive"."""
    types = schemas.types(schema)
    if "array" in types:
        return "array"
    return "object" if "object" in types and "string" not in types else "primitive"


def may_nest(schema: object, schemas: Schemas) -> bool:
    """Return whether a value of this schema may be an object or an array, among other types."""
    return bool({"object", "array"} & set(schemas.types(schema)))


def read_query(parameter: Parameter, pairs: QueryPairs, schemas: Schemas) -> object:
    """Return the value of a query or form parameter, or MISSING. RequestProblem 422 for a repeated single value."""
    schema, kind = parameter.schema, wire_shape(parameter.schema, schemas)
    if parameter.style == "deepObject" and may_nest(schema, schemas):
        tree = take_brackets(parameter.name, pairs)
        if tree is not MISSING or kind != "primitive":
            return MISSING if tree is MISSING else coerce_tree(tree, schema, schemas)
    # The default for an object in a query: its properties are pairs, and the parameter's own name is nowhere.
    if kind == "object" and parameter.style == "form" and parameter.explode:
        return _exploded_object(parameter, pairs, schemas)
    raw = pairs.take(parameter.name)
    if not raw:
        return MISSING
    if kind == "array" and (parameter.explode or len(raw) > 1):
        if not parameter.explode:
            _refuse_repeated(parameter, raw)
        return _coerce_array([percent_decode(value) for value in raw], schema, schemas)
    _refuse_repeated(parameter, raw)
    if kind == "primitive":
        text = percent_decode(raw[0])
        return text if not text and parameter.allow_empty else coerce(text, schema, schemas)
    splitter = SPLITTERS.get(parameter.style, SPLITTERS["form"])
    parts = [percent_decode(part) for part in splitter.split(raw[0])] if raw[0] else []
    return _coerce_array(parts, schema, schemas) if kind == "array" else _flat_object(parameter, parts, schemas)


def _refuse_repeated(parameter: Parameter, raw: Sequence[str]) -> None:
    if len(raw) > 1:
        message = f"given {len(raw)} times; it is written once"
        message += ", its values separated" if parameter.style in SPLITTERS and not parameter.explode else ""
        raise unprocessable([Fault(location=f"{parameter.location}.{parameter.name}", message=message)])


def take_brackets(name: str, pairs: QueryPairs) -> object:
    """Return `name[a]=1&name[b][c]=2` as {"a": "1", "b": {"c": "2"}}, texts decoded, or MISSING."""
    tree: dict[str, Any] = {}
    for position, (key, raw) in enumerate(pairs.pairs):
        brackets = key[len(name) :]
        if not key.startswith(name) or not re.fullmatch(r"(\[[^\[\]]*\])+", brackets):
            continue
        pairs.used.add(position)
        _add_to_tree(tree, BRACKETS.findall(brackets), percent_decode(raw))
    return tree or MISSING


def _add_to_tree(tree: dict[str, object], path: list[str], text: str) -> None:
    """Add a text to the tree at a path of names; a repeated name, or one that ends in `[]`, makes a list."""
    is_list = len(path) > 1 and path[-1] == ""
    *parents, last = path[:-1] if is_list else path
    for name in parents:
        subtree = tree.setdefault(name, {})
        if not isinstance(subtree, dict):
            raise RequestProblem(400, f"[{name}] is given both a value and properties")
        tree = subtree
    if last in tree and isinstance(tree[last], dict):
        raise RequestProblem(400, f"[{last}] is given both a value and properties")
    if last in tree:
        existing = tree[last]
        tree[last] = [*(existing if isinstance(existing, list) else [existing]), text]
    else:
        tree[last] = [text] if is_list else text


def _exploded_object(parameter: Parameter, pairs: QueryPairs, schemas: Schemas) -> object:
    """Return an exploded object, whose property names are names in the query, or MISSING."""
    texts = {}
    for name in schemas.properties(parameter.schema):
        if raw := pairs.take(name):
            texts[name] = percent_decode(raw[0]) if len(raw) == 1 else [percent_decode(text) for text in raw]
    return _coerce_object(texts, parameter.schema, schemas) if texts else MISSING


def take_free_properties(parameter: Parameter, pairs: QueryPairs, schemas: Schemas) -> dict[str, object]:
    """Return the unused pairs as properties of an exploded object with free properties."""
    names = dict.fromkeys(pairs.unused)
    return _coerce_object({name: percent_decode(pairs.take(name)[-1]) for name in names}, parameter.schema, schemas)


def is_spread(parameter: Parameter, schemas: Schemas) -> bool:
    """Return whether each property of a parameter is a separate pair, so that an empty object is invisible."""
    if parameter.location != "query" or parameter.content_type or wire_shape(parameter.schema, schemas) != "object":
        return False
    return parameter.style == "deepObject" or (parameter.style == "form" and parameter.explode)


def empty_value(parameter: Parameter, schemas: Schemas) -> object:
    """Return the empty object or list that leaves no trace in a request; MISSING where an empty value is visible."""
    if is_spread(parameter, schemas):
        return {}
    is_list = parameter.location == "query" and not parameter.content_type
    return [] if is_list and wire_shape(parameter.schema, schemas) == "array" else MISSING


def takes_any_name(parameter: Parameter, schemas: Schemas) -> bool:
    """Return whether a parameter may own any query name: an exploded form object with free properties."""
    if parameter.style != "form" or not parameter.explode or wire_shape(parameter.schema, schemas) != "object":
        return False
    flat = schemas.flat(parameter.schema)
    return flat.get("additionalProperties", not flat.get("properties")) is not False


def read_path(parameter: Parameter, raw: str, schemas: Schemas) -> object:
    """Return the value of a path parameter (simple, label, matrix). RequestProblem 404 without the style's prefix."""
    name, explode = parameter.name, parameter.explode
    if parameter.style == "label":
        body = _strip_prefix(".", raw, parameter)
        return _delimited(parameter, body, "." if explode else ",", schemas)
    if parameter.style != "matrix":
        return _delimited(parameter, raw, ",", schemas)
    body = _strip_prefix(";", raw, parameter)
    kind = wire_shape(parameter.schema, schemas)
    if kind == "object" and explode:
        return _delimited(parameter, body, ";", schemas)
    marks = [part.partition("=") for part in body.split(";")]
    # 404 and not 422: a path without the style's mark is not a path of this operation.
    if any(percent_decode(key, plus=False) != name for key, _, _ in marks) or (
        len(marks) > 1 and not (kind == "array")
    ):
        raise RequestProblem(404, f"path parameter {name} is written ;{name}=VALUE, not {raw!r}")
    if kind == "array" and explode:
        return _coerce_array([percent_decode(value, plus=False) for _, _, value in marks], parameter.schema, schemas)
    return _delimited(parameter, marks[0][2], ",", schemas)


def _strip_prefix(mark: str, raw: str, parameter: Parameter) -> str:
    if not raw.startswith(mark):
        raise RequestProblem(
            404, f"path parameter {parameter.name} ({parameter.style}) begins with {mark!r}, not {raw!r}"
        )
    return raw[1:]


def read_header(parameter: Parameter, raw: str, schemas: Schemas) -> object:
    """Return the value of a header in simple or delimited style, not percent-encoded; OpenAPI 3.1.1 §4.8.12.2."""
    kind = wire_shape(parameter.schema, schemas)
    if kind == "primitive":
        return coerce(raw.strip(), parameter.schema, schemas)
    parts = [part.strip() for part in raw.split(HEADER_DELIMITERS.get(parameter.style, ","))]
    if kind == "array":
        return _coerce_array(parts, parameter.schema, schemas)
    return _object(parameter, parts, schemas)


def read_cookie(parameter: Parameter, raw: str, schemas: Schemas) -> object:
    """Return the value of a cookie in form style, one cookie for all values."""
    return _delimited(parameter, raw, ",", schemas)


def _delimited(parameter: Parameter, raw: str, delimiter: str, schemas: Schemas) -> object:
    kind = wire_shape(parameter.schema, schemas)
    if kind == "primitive":
        return coerce(percent_decode(raw, plus=False), parameter.schema, schemas)
    split = SPLITTERS[parameter.style].split(raw) if parameter.style in HEADER_DELIMITERS else raw.split(delimiter)
    parts = [percent_decode(part, plus=False) for part in split]
    if kind == "array":
        return _coerce_array(parts, parameter.schema, schemas)
    return _object(parameter, parts, schemas)


def _object(parameter: Parameter, parts: list[str], schemas: Schemas) -> dict[str, object]:
    if not parameter.explode:
        return _flat_object(parameter, parts, schemas)
    split = [part.partition("=") for part in parts]
    return _coerce_object({name: value for name, _, value in split}, parameter.schema, schemas)


def _flat_object(parameter: Parameter, parts: list[str], schemas: Schemas) -> dict[str, object]:
    """Return `R,100,G,200` as {"R": 100, "G": 200}. RequestProblem 422 for an odd number of parts."""
    if len(parts) % 2:
        message = "an object is written as name,value,name,value"
        raise unprocessable([Fault(location=f"{parameter.location}.{parameter.name}", message=message)])
    return _coerce_object(dict(zip(parts[::2], parts[1::2], strict=True)), parameter.schema, schemas)
